"""Group caller: a call that the provider may get again, since the inbox may forget that it was made."""

from operations.faults.effects import write_effect
from operations.faults.sample import Called
from operations.faults.sample_handlers.caller import ask, count
from workers.handling import handles
from workers.stores.level import Level
from workers.work import UnitOfWork


@handles(Called, needs=Level.BEST_EFFORT, external_may_repeat=True)
def call(event: Called, work: UnitOfWork) -> None:
    """Call out, and write the effect."""
    work.external("count", count, reconcile=ask)
    write_effect(work, "caller", event.subject)
