"""A handler's own time limit: its declared longest runtime, without the transactions around it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType

from millrace.errors import Discard, HandlerError, Retryable


class Overran(Retryable):
    """The handler ran longer than its group's declared longest runtime."""


class TimeLimit:
    """Raises Overran in its body once that has run so long; within `interrupting()`, as often as wanted."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def interrupting(seconds: float) -> Iterator[TimeLimit]:
    """Gives a time limit, main thread only (signal SIGALRM).

    Celery's soft limit also counts the transactions around the handler, and may hit a process that is idle again.
    """

    def overran(_number: int, _frame: FrameType | None) -> None:
        raise Overran(f"the handler ran longer than its declared {seconds:g} s")

    before = signal.signal(signal.SIGALRM, overran)
    try:
        yield TimeLimit(seconds)
    finally:
        signal.signal(signal.SIGALRM, before)


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise Overran in the body once it has run so long."""
    with interrupting(seconds) as limit, limit:
        yield


def _overrun_behind(error: BaseException) -> Overran | None:
    """The end of the handler's time, if that broke a call off: what a driver says then looks like an outage."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, Overran):
        behind = behind.__cause__ or behind.__context__
    return behind


def run_handler(
    call: Callable[[], None], limit: AbstractContextManager[None], broken_off: type[Exception] = Exception
) -> str | None:
    """Run a handler within a time limit; gives the reason if it discards its event.

    `broken_off` are the errors by which a driver may say that the end of the time broke a call off. Raises what the
    handler raises, and Overran if its time was over.
    """
    try:
        with limit:
            call()
    except Discard as reason:
        return str(reason)
    except HandlerError:
        raise
    except broken_off as error:
        overran = _overrun_behind(error)
        if overran is None:
            raise
        raise Overran(str(overran)) from error
    return None
