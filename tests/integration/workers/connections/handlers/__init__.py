"""Handlers of the tests of connections."""

import os
import time
from pathlib import Path

from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.connections.catalog import Called
from tests.integration.workers.sample_handlers import effects
from workers.work import UnitOfWork


def answer(who: str, event: Called, work: UnitOfWork) -> None:
    """Talk for as long as the event says, and until all who must be there are; note it."""
    room = Path(os.environ["TEST_FIXED"]).parent / f"{who}-{event.name.partition(':')[0]}"
    room.mkdir(exist_ok=True)
    (room / event.name).touch()
    time.sleep(event.seconds)
    while len(list(room.iterdir())) < event.together:
        time.sleep(0.01)
    work.execute(insert(effects).values(who=who, order_id=event.name, attempt=work.attempt, at=store_now()))
