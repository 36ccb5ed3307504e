"""FastStream on RabbitMQ: acks after the handler, prefetch 100."""

import os

from faststream import FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue
from pydantic import BaseModel

from bench.peers.work import work_async


class Order(BaseModel):
    """The order."""

    order_id: str
    customer: str
    cents: int
    sent_at: int
    note: str


broker = RabbitBroker(os.environ.get("BENCH_BROKER_URL"), default_channel=Channel(prefetch_count=100))
app = FastStream(broker)
_QUEUE = RabbitQueue(
    os.environ.get("BENCH_QUEUE", "bench-faststream"),
    queue_type=QueueType(os.environ.get("BENCH_QUEUE_TYPE", "quorum")),
    declare=False,
)


@broker.subscriber(_QUEUE)
async def handle(order: Order) -> None:
    """Handle one order."""
    await work_async(order.model_dump())
