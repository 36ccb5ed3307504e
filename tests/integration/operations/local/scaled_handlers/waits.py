"""Few long ones."""

import time

from tests.integration.operations.local.scaled_catalog import Waited
from tests.integration.operations.local.scaled_handlers import EFFECTS, process
from workers.handling import handles
from workers.work import UnitOfWork


@handles(Waited)
def wait(event: Waited, work: UnitOfWork) -> None:
    """Take as long as it says."""
    time.sleep(event.seconds)
    values = {"event_id": work.event.id, "at": time.time(), "process": process(), "attempt": work.attempt}
    work.execute(EFFECTS.insert().values(**values))
