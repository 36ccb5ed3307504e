"""Group flaky, whose inbox is BEST_EFFORT: killed at its first attempt, it ships at the second one."""

import os
import signal

from tests.integration.workers.sample_catalog import OrderPlaced, OrderShipped
from workers.handling import handles
from workers.stores.level import Level
from workers.work import UnitOfWork


@handles(OrderPlaced, needs=Level.BEST_EFFORT)
def ship(event: OrderPlaced, work: UnitOfWork) -> None:
    """Ship it, if this process lives."""
    if event.how == "segfault" and work.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    work.publish(OrderShipped(order_id=event.order_id))
