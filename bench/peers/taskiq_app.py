"""Taskiq with taskiq-aio-pika; acks when the task has been executed, prefetch 100."""

import os
from typing import Any

from taskiq_aio_pika import AioPikaBroker, Queue, QueueType

from bench.peers.work import work_async

QUEUE = os.environ.get("BENCH_QUEUE", "bench-taskiq")

broker = AioPikaBroker(
    os.environ.get("BENCH_BROKER_URL"),
    qos=100,
    task_queues=[Queue(name=QUEUE, declare=False, type=QueueType(os.environ.get("BENCH_QUEUE_TYPE", "quorum")))],
)


@broker.task(task_name="order")
async def order(**fields: Any) -> None:
    """Handle one order."""
    await work_async(fields)
