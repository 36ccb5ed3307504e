"""Group poisoned: its process dies of every event."""

import os
import signal

from operations.faults.sample import Poisonous
from workers.handling import handles
from workers.work import UnitOfWork


@handles(Poisonous)
def die(_event: Poisonous, _work: UnitOfWork) -> None:
    """Take the process down, as a segfault or the kernel's OOM killer does."""
    os.kill(os.getpid(), signal.SIGKILL)
