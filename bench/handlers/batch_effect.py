"""Group batch-effect: one row for each event, and one statement for all that are there at a time."""

from collections.abc import Sequence

from sqlalchemy import text

from bench.catalog import OrderBooked
from bench.clock import seen
from workers.handling import handles_batch
from workers.work import UnitOfWork

_ORDERS = text(
    "insert into bench_orders (order_id, customer, cents) "
    "select * from unnest(cast(:ids as text[]), cast(:customers as text[]), cast(:cents as integer[]))"
)


@handles_batch(OrderBooked)
def book(events: Sequence[OrderBooked], work: UnitOfWork) -> None:
    """Write the orders."""
    for event in events:
        seen(event.sent_at)
    customers, cents = [event.customer for event in events], [event.cents for event in events]
    work.execute(_ORDERS, {"ids": [event.order_id for event in events], "customers": customers, "cents": cents})
