"""Group no-record: nothing at all."""

from bench.catalog import OrderShown
from bench.clock import seen
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderShown)
def show(event: OrderShown, _work: UnitOfWork) -> None:
    """Do nothing."""
    seen(event.sent_at)
