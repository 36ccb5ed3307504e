"""Celery's events: sent a moment later, all together, and none forgotten."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.consumer import Consumer

from workers.guard import TELL_SECONDS, GuardedConsumer


class Hub:
    """Stands for the loop: notes when what was to be called."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Any]] = []

    def call_later(self, seconds: float, call: Any) -> None:
        """Note it."""
        self.later.append((seconds, call))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until it is moved."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def consumer() -> tuple[Any, Hub, list[str]]:
    """A consumer that never was connected, its loop, and what its dispatcher did."""
    made, hub, done = GuardedConsumer.__new__(GuardedConsumer), Hub(), list[str]()
    made.hub = hub
    made.event_dispatcher = SimpleNamespace(flush=lambda: done.append("flush"))
    return made, hub, done


def test_many_events_are_sent_together() -> None:
    made, hub, done = consumer()
    for _ in range(100):
        made.on_send_event_buffered()
    ((seconds, send),) = hub.later
    assert seconds == TELL_SECONDS
    send()
    assert done == ["flush"]


def test_what_comes_later_is_sent_later(clock: SimpleNamespace) -> None:
    """Also where the timer went with its connection."""
    made, hub, _done = consumer()
    made.on_send_event_buffered()
    clock.now += TELL_SECONDS
    made.on_send_event_buffered()
    assert len(hub.later) == 2


def test_a_stopping_worker_tells_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _hub, done = consumer()
    monkeypatch.setattr(Consumer, "stop", lambda _self: done.append("stop"))
    made.stop()
    assert done == ["flush", "stop"]
