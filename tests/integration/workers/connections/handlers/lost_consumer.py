"""Group lost-consumer: answers calls."""

from tests.integration.workers.connections.catalog import Unheard
from workers.handling import handles
from workers.work import UnitOfWork


@handles(Unheard)
def take(_event: Unheard, _work: UnitOfWork) -> None:
    """Never called."""
