"""Function in-lambda: nothing but its item in the inbox."""

from bench.catalog import OrderPlaced
from workers.event_work import EventWork
from workers.handling import handles
from workers.stores.level import Level


@handles(OrderPlaced, needs=Level.FENCED)
def see(_event: OrderPlaced, _work: EventWork) -> None:
    """Do nothing."""
