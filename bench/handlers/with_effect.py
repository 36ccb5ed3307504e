"""Group with-effect: one row for each event."""

from sqlalchemy import insert

from bench.catalog import OrderPlaced
from bench.handlers import orders
from workers.handling import handles
from workers.work import UnitOfWork

_ORDER = insert(orders)


@handles(OrderPlaced)
def book(event: OrderPlaced, work: UnitOfWork) -> None:
    """Write the order."""
    work.execute(_ORDER, {"order_id": event.order_id, "customer": event.customer, "cents": event.cents})
