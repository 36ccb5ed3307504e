"""Group second: one effect for each event that group first has published."""

from operations.faults.effects import write_effect
from operations.faults.sample import Followed
from workers.handling import handles
from workers.stores.level import Level
from workers.work import UnitOfWork


@handles(Followed, needs=Level.BEST_EFFORT)
def follow(event: Followed, work: UnitOfWork) -> None:
    """Write the effect."""
    write_effect(work, "second", event.subject)
