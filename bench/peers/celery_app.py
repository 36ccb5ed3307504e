"""Celery as its users run it: late acks, no results, a prefetch that its documentation names for short tasks."""

import os
from typing import Any

from celery import Celery
from kombu import Queue

from bench.peers.work import work

QUEUE = os.environ.get("BENCH_QUEUE", "bench-celery")
TYPE = os.environ.get("BENCH_QUEUE_TYPE", "quorum")

app = Celery("peer", broker=os.environ.get("BENCH_BROKER_URL", "amqp://"))
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    # Told the type, Celery leaves out the global prefetch, which quorum queues do not know.
    task_queues=[Queue(QUEUE, routing_key=QUEUE, no_declare=True, queue_arguments={"x-queue-type": TYPE})],
    task_default_queue=QUEUE,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "50")),
    worker_send_task_events=False,
    broker_transport_options={"confirm_publish": os.environ.get("BENCH_CONFIRMS") == "1"},
)


@app.task(name="order", bind=True)
def order(self: Any, **fields: Any) -> None:
    """Handle one order."""
    work(self.request.id, fields)
