"""Group poisoned: its process dies of every event."""

import os
import signal

import httpx

from operations.faults.sample import Poisonous
from operations.faults.sample_handlers.caller import SINK_VARIABLE, UNTRUSTING
from operations.faults.sink import ATTEMPTS
from workers.handling import handles
from workers.work import UnitOfWork


@handles(Poisonous)
def die(event: Poisonous, _work: UnitOfWork) -> None:
    """Have the attempt counted, and take the process down, as a segfault or the kernel's OOM killer does."""
    httpx.post(f"{os.environ[SINK_VARIABLE]}/{ATTEMPTS}/{event.subject}", timeout=5, verify=UNTRUSTING)
    os.kill(os.getpid(), signal.SIGKILL)
