"""Group killed: its process is killed, as the kernel does when memory runs out."""

import os
import signal

from tests.integration.workers.bounded.catalog import CrateLoaded
from tests.integration.workers.bounded.handlers import load
from workers.handling import handles
from workers.work import UnitOfWork


@handles(CrateLoaded)
def die(event: CrateLoaded, work: UnitOfWork) -> None:
    """End this process of the pool."""
    load("killed", event, work, lambda: os.kill(os.getpid(), signal.SIGKILL))
