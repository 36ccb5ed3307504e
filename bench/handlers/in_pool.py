"""Group in-pool: one row for each event, in a process of the pool."""

from bench.catalog import OrderPacked
from bench.clock import seen
from bench.handlers import ORDER
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderPacked)
def pack(event: OrderPacked, work: UnitOfWork) -> None:
    """Write the order."""
    seen(event.sent_at)
    work.execute(ORDER, {"order_id": event.order_id, "customer": event.customer, "cents": event.cents})
