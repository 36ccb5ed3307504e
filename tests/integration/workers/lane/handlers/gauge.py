"""Group gauge: its handler may run more than once for a parcel."""

import os
from pathlib import Path

from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.lane.catalog import ParcelGauged, ParcelSorted
from tests.integration.workers.sample_handlers import effects
from workers.handling import handles
from workers.work import UnitOfWork

_NOTE = insert(effects).values(who="gauge", at=store_now())


@handles(ParcelGauged)
def gauge(event: ParcelGauged, work: UnitOfWork) -> None:
    """Note the parcel, in the way that it asks for."""
    match event.how:
        case "raises":
            raise RuntimeError("no")
        case "leaves nothing":
            with (Path(os.environ["TEST_FIXED"]).parent / "gauged").open("a") as gauged:
                gauged.write(f"{event.name}\n")
            return
        case "breaks a statement":
            work.execute(insert(effects).values(id="no number"))
        case "is published":
            work.publish(ParcelSorted(name=event.name))
    work.execute(_NOTE, {"order_id": event.name, "attempt": work.attempt})
