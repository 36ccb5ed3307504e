"""Group first: an effect of its own, and an event for the next group."""

from operations.faults.effects import write_effect
from operations.faults.sample import Begun, Followed
from workers.handling import handles
from workers.stores.level import Level
from workers.work import UnitOfWork


@handles(Begun, needs=Level.BEST_EFFORT)
def begin(event: Begun, work: UnitOfWork) -> None:
    """Write the effect, and publish what follows."""
    write_effect(work, "first", event.subject)
    work.publish(Followed(subject=event.subject))
