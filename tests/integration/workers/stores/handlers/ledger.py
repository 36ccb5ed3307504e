"""Group ledger, whose inbox is FENCED: the order is shipped by an event."""

from tests.integration.workers.sample_catalog import LedgerCheck, OrderPlaced, OrderShipped
from workers.handling import handles
from workers.stores.level import Level
from workers.work import UnitOfWork


@handles(OrderPlaced, needs=Level.FENCED)
def ship(event: OrderPlaced, work: UnitOfWork) -> None:
    """Ship it, with the fence that a resource would look at."""
    assert work.fence >= 1
    work.publish(OrderShipped(order_id=event.order_id))


@handles(LedgerCheck, needs=Level.FENCED)
def check(_event: LedgerCheck, _work: UnitOfWork) -> None:
    """Nothing."""
