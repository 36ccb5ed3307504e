"""What is told of a batch: to Flower, as of any task, and in logs and metrics, as of any outcome."""

import time
from collections.abc import Sequence
from typing import Any

from celery.utils.time import utcoffset
from celery.worker import state
from millrace import names
from millrace.envelope import Envelope

from workers.lane.running import Ran
from workers.outcomes import Report
from workers.report import publish_reports


def tell(ran: Sequence[Ran], group: str, dispatcher: Any) -> None:
    """Tell the outcomes of events; `dispatcher` is Celery's of its events."""
    reports: list[tuple[Report, Envelope]] = []
    for each in ran:
        state_, milliseconds, note = each.outcome.state, each.outcome.milliseconds, each.outcome.error
        for entry, held in each:
            report = Report(state_, attempt=held.attempt, milliseconds=milliseconds, note=note)
            reports.append((report, entry.received.envelope))
    for _, envelope in reports:
        state.total_count[envelope.type] += 1
    state.all_total_count[0] += len(reports)
    if dispatcher is not None and dispatcher.enabled:
        _show(reports, group, dispatcher)
    publish_reports(reports, group)


def _show(reports: Sequence[tuple[Report, Envelope]], group: str, dispatcher: Any) -> None:
    """Send what Celery's own tasks send, as Celery sends it: many at once, few a moment later with what follows.

    Made one by one, they cost more than what they show; each in a message of its own, a fifth of a lone event.
    """
    common = {
        "hostname": dispatcher.hostname,
        "pid": dispatcher.pid,
        "utcoffset": utcoffset(),
        "timestamp": time.time(),
        "clock": dispatcher.clock.forward(),
    }
    shown = dispatcher._group_buffer["task"]
    for report, envelope in reports:
        id_ = names.task_id(envelope.id, group)
        shown.append(
            {
                "type": "task-received",
                "uuid": id_,
                "root_id": id_,
                "name": envelope.type,
                "args": f"({envelope.id},)",
                "kwargs": "{}",
                "retries": 0,
                **common,
            }
        )
        runtime = (report.milliseconds or 0.0) / 1000
        shown.append({"type": "task-succeeded", "uuid": id_, "result": "None", "runtime": runtime, **common})
    if len(shown) < dispatcher.buffer_limit and dispatcher.on_send_buffered:
        dispatcher.on_send_buffered()
    else:
        dispatcher.flush(errors=False)
