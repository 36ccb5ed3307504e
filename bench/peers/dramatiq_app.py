"""Dramatiq, on a queue of the type that is measured; its prefetch is set by `dramatiq_queue_prefetch`."""

import os
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.peers.work import work

QUEUE = os.environ.get("BENCH_QUEUE", "bench-dramatiq")


class Broker(RabbitmqBroker):
    """Dramatiq has no option for a queue's type."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        own = super()._build_queue_arguments(queue_name)
        return {**own, "x-queue-type": os.environ.get("BENCH_QUEUE_TYPE", "quorum")}


broker = Broker(url=os.environ.get("BENCH_BROKER_URL"), confirm_delivery=os.environ.get("BENCH_CONFIRMS") == "1")
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=QUEUE)
def order(**fields: Any) -> None:
    """Handle one order."""
    work("", fields)
