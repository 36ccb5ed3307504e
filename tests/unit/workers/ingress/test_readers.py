"""The readers of the queues, whatever happens around them."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from millrace.aws_derived import SQS_BATCH

from workers.ingress.readers import Readers

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
