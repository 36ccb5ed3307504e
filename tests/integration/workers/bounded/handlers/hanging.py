"""Group hanging: never ends by itself, and takes no notice of its time limit."""

from pathlib import Path

from tests.integration.workers.bounded.catalog import CrateLoaded
from tests.integration.workers.bounded.handlers import load, wait_for
from workers.handling import handles
from workers.work import UnitOfWork


@handles(CrateLoaded)
def hang(event: CrateLoaded, work: UnitOfWork) -> None:
    """Wait for what never comes."""
    load("hanging", event, work, lambda: wait_for(Path("never")))
