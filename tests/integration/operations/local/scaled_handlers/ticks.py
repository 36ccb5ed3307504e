"""Many short events."""

import time

from tests.integration.operations.local.scaled_catalog import Ticked
from tests.integration.operations.local.scaled_handlers import EFFECTS, process
from workers.handling import handles
from workers.work import UnitOfWork


@handles(Ticked)
def tick(_event: Ticked, work: UnitOfWork) -> None:
    """Take some milliseconds."""
    time.sleep(0.02)
    values = {"event_id": work.event.id, "at": time.time(), "process": process(), "attempt": work.attempt}
    work.execute(EFFECTS.insert().values(**values))
