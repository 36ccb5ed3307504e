"""Group belt: one row for each parcel, whatever happens on the way."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from millrace.errors import Discard
from millrace.publishing.store_clock import store_now
from sqlalchemy import insert, update

from tests.integration.workers.lane.catalog import ParcelSeen, ParcelSorted, ParcelWeighed
from tests.integration.workers.sample_handlers import effects
from workers.external import OutcomeUnknown
from workers.handling import handles, handles_batch
from workers.overrun import Overran
from workers.work import UnitOfWork

_NOTE = insert(effects).values(who="belt", at=store_now())


@handles(ParcelSeen)
def sort(event: ParcelSeen, work: UnitOfWork) -> None:
    """Note the parcel, in the way that it asks for."""
    _trouble(event.how)
    calls = Path(os.environ["TEST_FIXED"]).parent / "calls"
    match event.how:
        case "breaks a statement":
            work.execute(insert(effects).values(id="no number"))
        case "changes too few rows":
            work.execute(update(effects).where(effects.c.id == -1).values(attempt=0), rows=1)
        case "calls":
            work.external("call", lambda _key: _append(calls, event.name))
        case "calls and swallows":
            _swallowing(work, calls, event.name)
        case "is published":
            work.publish(ParcelSorted(name=event.name))
    work.execute(_NOTE, {"order_id": event.name, "attempt": work.attempt})


@handles_batch(ParcelWeighed)
def weigh(events: Sequence[ParcelWeighed], work: UnitOfWork) -> None:
    """Note each parcel, and how many there were."""
    for event in events:
        _trouble(event.how)
        attempt = -1 if event.how == "breaks a statement" else len(events)
        work.execute(_NOTE, {"order_id": event.name, "attempt": attempt})
        if event.how == "breaks a statement":
            work.execute(insert(effects).values(id="no number"))
    assert [envelope.id for envelope in work.events] == [event.name for event in events]
    work.execute(_NOTE, {"order_id": "calls", "attempt": len(events)})


def _trouble(how: str) -> None:
    match how:
        case "raises":
            raise RuntimeError("no")
        case "is discarded":
            raise Discard("nothing to sort")
        case "kills":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            _hang()
        case "hangs for good":
            _hang_for_good()
        case "takes its time":
            time.sleep(0.05)


def _append(file: Path, line: str) -> None:
    with file.open("a") as opened:
        opened.write(f"{line}\n")


def _swallowing(work: UnitOfWork, file: Path, name: str) -> None:
    try:
        work.external("call", lambda _key: _append(file, name))
    except (Overran, OutcomeUnknown):  # a slow disk's doing, as the test says
        raise
    except Exception:
        work.execute(insert(effects).values(who="fallback", order_id=name))


def _hang() -> None:
    while True:
        time.sleep(0.01)


def _hang_for_good() -> None:
    """Hang, and swallow even the end of its time."""
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: S112 (that is the fault)
            continue
