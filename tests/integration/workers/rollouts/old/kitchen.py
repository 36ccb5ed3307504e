"""Group kitchen, old."""

from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.rollouts.catalogs import Ordered
from tests.integration.workers.sample_handlers import effects
from workers.handling import handles
from workers.work import UnitOfWork


@handles(Ordered)
def brew(event: Ordered, work: UnitOfWork) -> None:
    """Note who brewed."""
    work.execute(insert(effects).values(who="old", order_id=event.name, attempt=work.attempt, at=store_now()))
