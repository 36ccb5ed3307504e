"""Group inbox-only: nothing but the inbox row."""

from bench.catalog import OrderPlaced
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderPlaced)
def look(_event: OrderPlaced, _work: UnitOfWork) -> None:
    """Do nothing."""
