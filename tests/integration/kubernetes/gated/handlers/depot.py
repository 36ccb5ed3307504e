"""Group depot: takes a parcel in when the gate is open."""

import os
import time
from pathlib import Path

from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.kubernetes.gated.catalog import ParcelSent
from tests.integration.workers.sample_handlers import effects
from workers.handling import handles
from workers.work import UnitOfWork


@handles(ParcelSent)
def take_in(event: ParcelSent, work: UnitOfWork) -> None:
    """Wait for the gate, then note the parcel."""
    gate = Path(os.environ["TEST_GATE"])
    while not gate.exists():
        time.sleep(0.05)
    work.execute(insert(effects).values(who="depot", order_id=event.order_id, attempt=work.attempt, at=store_now()))
