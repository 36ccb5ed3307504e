"""Group parts: does what its event says."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from botocore.exceptions import ClientError
from millrace.errors import Discard, Permanent

from tests.integration.workers.functions.catalog import PartSeen, PartStored
from workers.event_work import EventWork
from workers.external import Reconciled
from workers.handling import handles
from workers.stores.level import Level


@handles(PartSeen, needs=Level.FENCED)
def store_part(event: PartSeen, work: EventWork) -> None:
    """Leave a mark that tests count, then end as the event says."""
    work.external("mark", lambda key: _mark(event.part, key), reconcile=lambda _key: Reconciled.NOT_DONE)
    match event.how:
        case "fails once" if work.attempt == 1:
            raise RuntimeError("not yet")
        case "fails":
            raise RuntimeError("never")
        case "is refused by AWS":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not yours"}}, "GetObject")
        case "is permanent":
            raise Permanent("it is broken\x00")
        case "discards":
            raise Discard("nothing to do")
        case "sleeps":
            time.sleep(30)
        case "dies once" if work.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        case "executes":
            work.execute("select 1")  # type: ignore[attr-defined]
        case "publishes" | "publishes and is overtaken":
            work.publish(PartStored(part=event.part))
            work.publish(PartStored(part=f"{event.part}'s other"))
        case "publishes too much":
            for number in range(100):
                work.publish(PartStored(part=str(number)))


def _mark(part: str, key: str) -> None:
    line = f"{part} {key}\n"
    if "MARKS" in os.environ:
        with Path(os.environ["MARKS"]).open("a", encoding="utf-8") as marks:
            marks.write(line)
    else:  # in a process of its own, which is told nothing but its settings
        sys.stdout.write(f"stored {line}")
