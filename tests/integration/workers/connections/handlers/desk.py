"""Group desk: answers calls."""

from tests.integration.workers.connections.catalog import Called
from tests.integration.workers.connections.handlers import answer
from workers.handling import handles
from workers.work import UnitOfWork


@handles(Called)
def take(event: Called, work: UnitOfWork) -> None:
    """Answer."""
    answer("desk", event, work)
