"""What a function tells: a structured line per outcome, and one line of metrics per call (EMF, which CloudWatch reads).

EMF: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog

from workers.functions.attempts import Settled
from workers.logs import log_many
from workers.outcomes import QUIET, outcome_record

log = structlog.get_logger("millrace.function")

_COUNTED = {
    "processed": "Processed",
    "discarded": "Processed",
    "absorbed": "Absorbed",
    "dead-lettered": "DeadLettered",
    "conflict": "DeadLettered",
    "invalid": "DeadLettered",
}
COUNTS = ("Processed", "Absorbed", "DeadLettered", "Retried")


def tell(settled: Sequence[Settled], group: str) -> None:
    """Log each outcome, and print the metrics of all."""
    for level, quiet in ((logging.INFO, True), (logging.WARNING, False)):
        records = [_record(each, group) for each in settled if (each.report.outcome in QUIET) == quiet]
        if records:
            log_many("millrace.outcome", level, "outcome", records)
    sys.stdout.write(json.dumps(metrics(settled, group), separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _record(settled: Settled, group: str) -> dict[str, Any]:
    if settled.envelope is not None:
        return outcome_record(settled.report, settled.envelope, group)
    return {"group": group, "outcome": settled.report.outcome, "note": settled.report.note}


def metrics(settled: Sequence[Settled], group: str) -> dict[str, Any]:
    """One line of EMF."""
    counts = Counter(_counted(each) for each in settled)
    times = [round(each.report.milliseconds, 3) for each in settled if each.report.milliseconds is not None]
    units = [{"Name": name, "Unit": "Count"} for name in COUNTS]
    units += [{"Name": "Milliseconds", "Unit": "Milliseconds"}] if times else []
    declared = {"Namespace": "Millrace", "Dimensions": [["Group"]], "Metrics": units}
    values = {name: counts[name] for name in COUNTS} | ({"Milliseconds": times} if times else {})
    stamp = round(time.time() * 1000)
    return {"_aws": {"Timestamp": stamp, "CloudWatchMetrics": [declared]}, "Group": group, **values}


def _counted(settled: Settled) -> str:
    return "Retried" if settled.again else _COUNTED[settled.report.outcome]
