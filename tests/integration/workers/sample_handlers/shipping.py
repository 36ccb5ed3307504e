"""Group shipping: takes what was parked before there was a group for it."""

from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.sample_catalog import OrderShipped
from tests.integration.workers.sample_handlers import effects
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderShipped)
def ship(event: OrderShipped, work: UnitOfWork) -> None:
    """Note the shipment."""
    work.execute(insert(effects).values(who="shipping", order_id=event.order_id, attempt=work.attempt, at=store_now()))
