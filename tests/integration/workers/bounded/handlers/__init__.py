"""Handlers that break at a bad crate, once the test has given others to their worker."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.bounded.catalog import CrateLoaded
from tests.integration.workers.sample_handlers import effects
from workers.work import UnitOfWork


def load(who: str, event: CrateLoaded, work: UnitOfWork, break_down: Callable[[], None]) -> None:
    """Note the crate; break down at a bad one."""
    if event.bad:
        wait_for(Path(os.environ["TMPDIR"]) / f"break-{work.attempt}")
        break_down()
    work.execute(insert(effects).values(who=who, order_id=event.name, attempt=work.attempt, at=store_now()))


def wait_for(path: Path) -> None:
    """Wait for a file, whatever interrupts."""
    there = False
    while not there:
        with suppress(Exception):  # its soft time limit, too
            time.sleep(0.05)
            there = path.exists()
