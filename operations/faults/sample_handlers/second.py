"""Group second: one effect for each event that group first has published."""

from operations.faults.effects import add_effect
from operations.faults.sample import Followed
from workers.handling import handles
from workers.work import UnitOfWork


@handles(Followed)
def follow(event: Followed, work: UnitOfWork) -> None:
    """Write the effect."""
    add_effect(work, "second", event.subject)
