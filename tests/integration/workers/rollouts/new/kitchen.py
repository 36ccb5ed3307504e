"""Group kitchen, new."""

from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.rollouts.catalogs import OrderedWithMilk, Spilled
from tests.integration.workers.sample_handlers import effects
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderedWithMilk)
def brew(event: OrderedWithMilk, work: UnitOfWork) -> None:
    """Note who brewed."""
    work.execute(insert(effects).values(who="new", order_id=event.name, attempt=work.attempt, at=store_now()))


@handles(Spilled)
def wipe(event: Spilled, work: UnitOfWork) -> None:
    """Note who wiped."""
    work.execute(insert(effects).values(who="new", order_id=event.name, attempt=work.attempt, at=store_now()))
