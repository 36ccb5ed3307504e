"""Group orphaned: its whole worker is killed, with all that it has taken ahead."""

import os
import signal

from tests.integration.workers.bounded.catalog import CrateLoaded
from tests.integration.workers.bounded.handlers import load
from workers.handling import handles
from workers.work import UnitOfWork


def end_worker() -> None:
    """The main process first: it holds the messages."""
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@handles(CrateLoaded)
def die(event: CrateLoaded, work: UnitOfWork) -> None:
    """End the worker."""
    load("orphaned", event, work, end_worker)
