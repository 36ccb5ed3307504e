"""Group flaky, whose inbox is BEST_EFFORT."""

from tests.integration.workers.sample_catalog import OrderPlaced, OrderShipped
from workers.handling import handles
from workers.stores.level import Level
from workers.work import UnitOfWork


@handles(OrderPlaced, needs=Level.BEST_EFFORT)
def ship(event: OrderPlaced, work: UnitOfWork) -> None:
    """Ship it."""
    work.publish(OrderShipped(order_id=event.order_id))
