"""A run that is told to end cleans up first, and is not told twice."""

import os
import signal

import pytest

from operations.faults.ending import SIGNALS, ended_by_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_block_and_its_finally_runs(number: signal.Signals) -> None:
    usual = [signal.getsignal(each) for each in SIGNALS]
    cleaned = []

    def work() -> None:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            os.kill(os.getpid(), number)  # a second one does not cut the cleaning off
            cleaned.append("all")

    with pytest.raises(SystemExit) as ended, ended_by_signals():
        work()
    assert ended.value.code == 128 + number
    assert cleaned == ["all"]
    assert [signal.getsignal(each) for each in SIGNALS] == usual
