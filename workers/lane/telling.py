"""What is told of a batch: to Flower, as of any task, and in logs and metrics, as of any outcome."""

from collections.abc import Iterable
from typing import Any

from celery.worker import state
from millrace import names

from workers.lane.running import Ran
from workers.report import Report, publish_report


def tell(ran: Iterable[Ran], group: str, events: Any) -> None:
    """Tell the outcomes of events; `events` is Celery's dispatcher."""
    for each in ran:
        outcome = each.outcome
        for entry, held in each:
            envelope = entry.received.envelope
            state.total_count[envelope.type] += 1
            state.all_total_count[0] += 1
            id_ = names.task_id(envelope.id, group)
            shown = {"name": envelope.type, "args": f"({envelope.id},)", "kwargs": "{}"}
            events.send("task-received", uuid=id_, root_id=id_, retries=0, **shown)
            events.send("task-succeeded", uuid=id_, result="None", runtime=outcome.milliseconds / 1000)
            report = Report(outcome.state, attempt=held.attempt, milliseconds=outcome.milliseconds, note=outcome.error)
            publish_report(report, envelope, group)
