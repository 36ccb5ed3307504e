"""One structured log line and a few metrics per outcome; ids only, never payloads."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import prometheus_client
import structlog
from millrace.envelope import Envelope

from workers.histogram import BatchHistogram
from workers.logs import log_many
from workers.outcomes import QUIET, Report, outcome_record

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600)

OUTCOMES = prometheus_client.Counter("millrace_outcomes_total", "Outcomes of deliveries", ["group", "type", "outcome"])
ATTEMPTS = prometheus_client.Counter("millrace_attempts_total", "Runs of a handler", ["group", "type"])
DURATION = BatchHistogram("millrace_handler_seconds", "Time of one attempt", ["group", "type"], buckets=_SECONDS)
LAG = BatchHistogram("millrace_lag_seconds", "From an event's time to its outcome", ["group", "type"], buckets=_SECONDS)

log = structlog.get_logger("millrace.outcome")


def publish_report(report: Report, envelope: Envelope, group: str) -> None:
    """Log the outcome of one delivery and count it."""
    publish_reports([(report, envelope)], group)


def publish_reports(reports: Sequence[tuple[Report, Envelope]], group: str) -> None:
    """Log outcomes and count them; trouble with that changes no outcome."""
    try:
        _count(reports, group)
    except Exception as error:  # metrics are files, and a disk may be full
        log.warning("not counted", group=group, error=type(error).__name__)
    for level, quiet in ((logging.INFO, True), (logging.WARNING, False)):
        records = [outcome_record(*each, group) for each in reports if (each[0].outcome in QUIET) == quiet]
        if records:
            log_many("millrace.outcome", level, "outcome", records)


def _count(reports: Sequence[tuple[Report, Envelope]], group: str) -> None:
    """The files of several processes cost most: all is added up first, and each child looked up once."""
    now = datetime.now(UTC)
    for (type_, outcome), several in Counter((envelope.type, report.outcome) for report, envelope in reports).items():
        OUTCOMES.labels(group, type_, outcome).inc(several)
    attempts = Counter(envelope.type for report, envelope in reports if report.attempt is not None)
    for type_, several in attempts.items():
        ATTEMPTS.labels(group, type_).inc(several)
    observed: dict[tuple[BatchHistogram, str], list[float]] = defaultdict(list)
    for report, envelope in reports:
        if report.milliseconds is not None:
            observed[DURATION, envelope.type].append(report.milliseconds / 1000)
        if report.outcome == "processed" and envelope.time is not None:
            observed[LAG, envelope.type].append(max(0.0, (now - envelope.time).total_seconds()))
    for (metric, type_), values in observed.items():
        metric.labels(group, type_).observe_many(values)
