"""Group unread: its queue is published to, and emptied by the benchmark."""

from bench.catalog import OrderFiled
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderFiled)
def never(_event: OrderFiled, _work: UnitOfWork) -> None:
    """Nobody runs this group; each group has its handler."""
