"""Group inbox-only: nothing but the inbox row."""

from bench.catalog import OrderSeen
from bench.clock import seen
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderSeen)
def look(event: OrderSeen, _work: UnitOfWork) -> None:
    """Do nothing."""
    seen(event.sent_at)
