"""A handler with a leak."""

import time

from tests.integration.operations.local.scaled_catalog import Kept
from tests.integration.operations.local.scaled_handlers import EFFECTS, process
from workers.handling import handles
from workers.work import UnitOfWork

_KEPT: list[bytes] = []


@handles(Kept)
def keep(event: Kept, work: UnitOfWork) -> None:
    """Keep as much as it says."""
    _KEPT.append(b"x" * (event.mebibytes * 2**20))
    values = {"event_id": work.event.id, "at": time.time(), "process": process(), "attempt": work.attempt}
    work.execute(EFFECTS.insert().values(**values))
