"""Group ledger: never fails by itself."""

from millrace.errors import Discard
from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.sample_catalog import LedgerCheck, OrderPlaced, OrderShipped
from tests.integration.workers.sample_handlers import effects
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderPlaced)
def book(event: OrderPlaced, work: UnitOfWork) -> None:
    """Book the order; ship it, or look at it again, if it says so."""
    if event.how == "not at all":
        raise Discard("nothing to book")
    values = {"who": "ledger", "order_id": event.order_id, "attempt": work.attempt, "at": store_now()}
    work.execute(insert(effects).values(values))
    if event.how == "ship":
        work.publish(OrderShipped(order_id=event.order_id))
    if event.how == "check":
        work.publish(LedgerCheck(order_id=event.order_id))


@handles(LedgerCheck)
def check(event: LedgerCheck, work: UnitOfWork) -> None:
    """Note that the group's own task came."""
    values = {"who": "check", "order_id": event.order_id, "attempt": work.attempt, "at": store_now()}
    work.execute(insert(effects).values(values))
