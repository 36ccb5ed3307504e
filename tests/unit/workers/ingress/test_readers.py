"""The readers of the queues, whatever happens around them."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from millrace.aws_derived import SQS_BATCH

from workers.ingress.readers import _LOOK_SECONDS, Readers
from workers.probes import Pulse
from workers.service import Stopping

PATIENCE_SECONDS = 20


class Busy:
    """An intake that has a full batch each time; it says when it was read so often."""

    def __init__(self, often: int) -> None:
        self.queue = SimpleNamespace(name="busy", receive=self._receive)
        self.read = threading.Event()
        self._left = often

    def _receive(self, _wait: int) -> list[int]:
        self._left -= 1
        if self._left <= 0:
            self.read.set()
        return [0] * SQS_BATCH

    def settle(self, messages: list[int], _came: float) -> int:
        return len(messages)


def test_readers_that_hang_are_not_taken_for_alive() -> None:
    """Only they show that the ingress works, not the thread that waits for the end."""
    now, all_hang, release = [0.0], threading.Barrier(3), threading.Event()

    def hang(_wait: int) -> list[int]:
        all_hang.wait(PATIENCE_SECONDS)
        release.wait(PATIENCE_SECONDS)
        return []

    pulse = Pulse(turns_within=10, clock=lambda: now[0])
    stopping = Stopping(pulse)
    sender: Any = SimpleNamespace(wait_open=lambda _seconds: True)
    intake: Any = SimpleNamespace(queue=SimpleNamespace(name="q", receive=hang))
    readers = Readers([intake], [intake], sender, stopping)
    running = threading.Thread(target=readers.run, daemon=True)
    running.start()
    try:
        all_hang.wait(PATIENCE_SECONDS)
        now[0] = 11.0
        assert not release.wait(_LOOK_SECONDS * 5)
        assert pulse.trouble() == "its loop has not turned for 11 s"
    finally:
        stopping.set()
        release.set()
        running.join(PATIENCE_SECONDS)
    assert not running.is_alive()


def test_where_no_more_threads_can_be_had_the_queue_is_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A helper that cannot be started is done without; the reader does not end of it, unseen."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if getattr(getattr(thread, "_target", None), "__name__", "") == "_help":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    busy, stopping = Busy(50), threading.Event()
    sender: Any = SimpleNamespace(wait_open=lambda _seconds: True)
    readers = Readers([busy], [], sender, stopping)  # type: ignore[list-item]
    running = threading.Thread(target=readers.run, daemon=True)
    running.start()
    try:
        assert busy.read.wait(PATIENCE_SECONDS)
    finally:
        stopping.set()
        running.join(PATIENCE_SECONDS)
    assert not running.is_alive()
