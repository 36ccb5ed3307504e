"""The lane's patience with its database: one that says nothing must not hold the worker's loop."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from sqlalchemy import Connection


@contextmanager
def cut_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Cut the line to the server once the body has run so long; what waits for it then raises, as over any lost line.

    Main thread only (SIGALRM). SQLite has no line: its wait for a lock has a bound of its own (workers.database).
    """
    driver: Any = connection.connection.driver_connection
    if not hasattr(driver, "fileno"):
        yield
        return

    def cut(_number: int, _frame: FrameType | None) -> None:
        with suppress(Exception), socket.socket(fileno=os.dup(driver.fileno())) as line:  # it may be lost already
            line.shutdown(socket.SHUT_RDWR)

    before = signal.signal(signal.SIGALRM, cut)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
