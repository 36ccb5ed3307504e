"""One Celery task per event type that a group handles; it runs in the pool's processes."""

import time
from typing import Any

import structlog
from celery import Celery, Task, current_task
from celery.exceptions import Reject
from celery.signals import worker_process_shutdown
from millrace.envelope import Envelope, open_payload
from prometheus_client import multiprocess

from workers.execution import Execution
from workers.received import Received
from workers.report import publish_report
from workers.runtime import Runtime

log = structlog.get_logger("millrace.worker")

#: A delivery that could not be recorded anywhere is given back after this pause, so that it does not spin.
PAUSE_SECONDS = 1.0


def register(app: Celery, runtime: Runtime) -> None:
    """Add a task for each event type of the group, named as the type, so that Flower shows it."""

    def make(type_: str) -> None:
        @app.task(name=type_, bind=True, max_retries=None, shared=False)  # type: ignore[untyped-decorator]
        def run(_task: Task, envelope: str, generation: int, begun: bool) -> None:
            execute(runtime, envelope, generation, begun)

    for type_ in runtime.handlers:
        make(type_)


def execute(runtime: Runtime, envelope: str, generation: int, begun: bool) -> None:
    """Run one event and report its outcome; a delivery that nothing could record goes back to its queue."""
    try:
        event = Envelope.from_bytes(envelope.encode())
        payload = open_payload(event, runtime.catalog)
        received = Received(envelope=event, payload=payload, generation=generation, begun=begun)
        report = Execution(runtime, received).run()
    except Exception as error:  # the text may quote a payload, so only kinds are said
        cause = type(error.__cause__).__name__ if error.__cause__ else None
        kinds = {"error": type(error).__name__, "cause": cause}
        log.error("given back", task=current_task.request.id, begun=begun, **kinds)
        time.sleep(PAUSE_SECONDS)
        raise Reject(type(error).__name__, requeue=True) from None
    publish_report(report, event, runtime.group.name)


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _forget_process(pid: int | None = None, **_: Any) -> None:
    if pid is not None:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
