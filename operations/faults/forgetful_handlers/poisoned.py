"""Group poisoned: its process dies of every event."""

import os
import signal

from operations.faults.sample import Poisonous
from workers.handling import handles
from workers.stores.level import Level
from workers.work import UnitOfWork


@handles(Poisonous, needs=Level.BEST_EFFORT)
def die(_event: Poisonous, _work: UnitOfWork) -> None:
    """Take the process down."""
    os.kill(os.getpid(), signal.SIGKILL)
