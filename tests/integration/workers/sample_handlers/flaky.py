"""Group flaky: fails as the event asks."""

import os
from pathlib import Path

from millrace.errors import Permanent
from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.sample_handlers import effects
from workers.handling import handles
from workers.work import UnitOfWork

#: At which attempt an event that asks for it succeeds.
_AT_LAST = {"third time": 3, "sixth time": 6}


@handles(OrderPlaced)
def try_hard(event: OrderPlaced, work: UnitOfWork) -> None:
    """Fail some times, for ever, for good, or until the file `fixed` is there."""
    work.execute(insert(effects).values(who="flaky", order_id=event.order_id, attempt=work.attempt, at=store_now()))
    if work.attempt < _AT_LAST.get(event.how, 1):
        raise RuntimeError("not yet")
    if event.how == "once fixed" and not Path(os.environ["TEST_FIXED"]).exists():
        raise RuntimeError("broken till fixed")
    if event.how == "never":
        raise Permanent("cannot be done")
