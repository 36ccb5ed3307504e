"""The handler's own time limit."""

import signal
import threading

import pytest

from workers.overrun import Overran, interrupted_after


def test_body_is_interrupted() -> None:
    """The exception says what was declared."""
    with pytest.raises(Overran, match=r"declared 0\.05 s"), interrupted_after(0.05):
        threading.Event().wait(10)


def test_quick_body_is_left_alone_and_the_timer_is_off() -> None:
    """Afterwards no signal is due, and the earlier handler is back."""
    before = signal.getsignal(signal.SIGALRM)
    with interrupted_after(60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_timer_is_off_after_an_error() -> None:
    """A failing handler leaves nothing behind."""
    with pytest.raises(ValueError, match="own"), interrupted_after(60):
        raise ValueError("own")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
