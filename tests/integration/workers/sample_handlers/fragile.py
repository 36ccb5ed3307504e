"""Group fragile: its handlers take their process down, or never end."""

import os
import signal
import threading

from millrace.publishing.store_clock import store_now
from sqlalchemy import insert

from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.sample_handlers import effects
from workers.handling import handles
from workers.work import UnitOfWork


@handles(OrderPlaced)
def break_down(event: OrderPlaced, work: UnitOfWork) -> None:
    """Segfault or hang if the event says so."""
    if event.how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if event.how == "segfault once" and work.attempt == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if event.how == "hang":
        while True:
            try:
                threading.Event().wait(60)
            except Exception:  # noqa: S112 (a handler that swallows even its soft time limit)
                continue
    work.execute(insert(effects).values(who="fragile", order_id=event.order_id, attempt=work.attempt, at=store_now()))
