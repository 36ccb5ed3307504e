"""Group with-effect: one row for each event."""

from bench.catalog import OrderPlaced
from bench.clock import seen
from bench.handlers import ORDER
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderPlaced)
def book(event: OrderPlaced, work: UnitOfWork) -> None:
    """Write the order."""
    seen(event.sent_at)
    work.execute(ORDER, {"order_id": event.order_id, "customer": event.customer, "cents": event.cents})
