"""A handler's own time limit: its declared longest runtime, without the transactions around it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from millrace.errors import Retryable


class Overran(Retryable):
    """The handler ran longer than its group's declared longest runtime."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise Overran in the body once it has run so long; main thread only (signal SIGALRM).

    Celery's soft limit also counts the transactions around the handler, and may hit a process that is idle again.
    """

    def overran(_number: int, _frame: FrameType | None) -> None:
        raise Overran(f"the handler ran longer than its declared {seconds:g} s")

    before = signal.signal(signal.SIGALRM, overran)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
