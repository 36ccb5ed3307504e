"""One structured log line and a few metrics per outcome; ids only, never payloads."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from millrace.envelope import Envelope
from prometheus_client import Counter, Histogram

#: What ended well, or will go on by itself, is information; the rest asks for a look.
_QUIET = frozenset({"processed", "discarded", "absorbed", "waiting"})
_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600)

OUTCOMES = Counter("millrace_outcomes_total", "Outcomes of deliveries", ["group", "type", "outcome"])
ATTEMPTS = Counter("millrace_attempts_total", "Runs of a handler", ["group", "type"])
DURATION = Histogram("millrace_handler_seconds", "Time of one attempt", ["group", "type"], buckets=_SECONDS)
LAG = Histogram("millrace_lag_seconds", "From an event's time to its outcome", ["group", "type"], buckets=_SECONDS)

log = structlog.get_logger("millrace.outcome")


@dataclass(frozen=True)
class Report:
    """What became of one delivery."""

    outcome: str
    attempt: int | None = None
    milliseconds: float | None = None
    note: str | None = None
    delay: int | None = None


def publish_report(report: Report, envelope: Envelope, group: str) -> None:
    """Log the outcome and count it; trouble with that changes no outcome."""
    try:
        _count(report, envelope, group)
    except Exception as error:  # metrics are files, and a disk may be full
        log.warning("not counted", id=envelope.id, group=group, error=type(error).__name__)
    _log(report, envelope, group)


def _count(report: Report, envelope: Envelope, group: str) -> None:
    labels = (group, envelope.type)
    OUTCOMES.labels(*labels, report.outcome).inc()
    if report.attempt is not None:
        ATTEMPTS.labels(*labels).inc()
    if report.milliseconds is not None:
        DURATION.labels(*labels).observe(report.milliseconds / 1000)
    if report.outcome == "processed" and envelope.time is not None:
        LAG.labels(*labels).observe(max(0.0, (datetime.now(UTC) - envelope.time).total_seconds()))


def _log(report: Report, envelope: Envelope, group: str) -> None:
    fields = {
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "group": group,
        "outcome": report.outcome,
        "attempt": report.attempt,
        "milliseconds": report.milliseconds and round(report.milliseconds, 1),
        "delay": report.delay,
        "note": report.note,
        "trace": envelope.traceparent,
    }
    say = log.info if report.outcome in _QUIET else log.warning
    say("outcome", **{name: value for name, value in fields.items() if value is not None})
