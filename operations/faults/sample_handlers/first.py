"""Group first: an effect, and an event for the next group, in one transaction."""

import time

from operations.faults.effects import add_effect
from operations.faults.sample import HANGS, Begun, Followed
from workers.handling import handles
from workers.work import UnitOfWork

#: Longer than the group may take, so that the watchdog has to end it.
TOO_LONG_SECONDS = 3600


@handles(Begun)
def begin(event: Begun, work: UnitOfWork) -> None:
    """Behave as the event says."""
    add_effect(work, "first", event.subject)
    work.publish(Followed(subject=event.subject))
    if event.how == "slowly":
        time.sleep(0.5)
    if event.how == "fails once" and work.attempt == 1:
        raise RuntimeError("the first attempt fails")
    if event.how == HANGS and work.attempt == 1:
        _hang()


def _hang() -> None:
    """Never end, whatever is raised in here."""
    while True:
        try:
            time.sleep(TOO_LONG_SECONDS)
        except Exception:  # noqa: S112 (a handler that swallows even its time limit)
            continue
