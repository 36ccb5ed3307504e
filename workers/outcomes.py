"""What is told of one delivery, in a worker and in a function alike; ids only, never payloads."""

import time
from typing import Any, NamedTuple

from millrace.envelope import Envelope

#: What ended well, or will go on by itself, is information; the rest asks for a look.
QUIET = frozenset({"processed", "discarded", "absorbed", "waiting"})


class Report(NamedTuple):
    """What became of one delivery."""

    outcome: str
    attempt: int | None = None
    milliseconds: float | None = None
    note: str | None = None
    delay: int | None = None


def outcome_record(report: Report, envelope: Envelope, group: str) -> dict[str, Any]:
    """The fields of its log line."""
    always = {
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "group": group,
        "outcome": report.outcome,
    }
    perhaps = {
        "attempt": report.attempt,
        "milliseconds": report.milliseconds and round(report.milliseconds, 1),
        "delay": report.delay,
        "note": report.note,
        "trace": envelope.traceparent,
    }
    return always | {name: value for name, value in perhaps.items() if value is not None}


def milliseconds_since(started: float) -> float:
    """How long ago a moment of the monotonic clock was."""
    return (time.monotonic() - started) * 1000
