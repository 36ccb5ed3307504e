"""What is asked of the broker, on a line that is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from millrace.scaling import Load

from operations.local import loads as loads_module
from operations.local.loads import Sleepers, loads
from operations.queue_numbers import QueueNumbers


class Line:
    """A broker with these queues; one that is None is not there, and an error is raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **queues: int | Exception | None) -> None:
        self.queues = queues
        self.connections: list[dict[str, Any]] = []
        self.closed = 0
        monkeypatch.setattr(loads_module, "connect_broker", self.connect)

    def connect(self, _url: str, **options: Any) -> Any:
        self.connections.append(options)
        return SimpleNamespace(channel=lambda: self, collect=self.collect)

    def collect(self) -> None:
        self.closed += 1

    def queue_declare(self, queue: str, *, passive: bool) -> Any:
        assert passive, "only Pulumi declares"
        found = self.queues[queue]
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise amqp.NotFound
        return SimpleNamespace(message_count=found)


def test_groups_in_whose_queues_something_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, one=3, gone=None, two=0, three=1)
    sleepers = Sleepers("amqp://nobody")
    assert sleepers.awake(["one", "gone", "two", "three"]) == {
        "one": Load(ready=3, unacknowledged=0),
        "three": Load(ready=1, unacknowledged=0),
    }
    sleepers.awake(["one"])
    assert len(line.connections) == 1


def test_a_line_that_is_not_used_for_minutes_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """py-amqp counts heartbeats only when it reads, which it does only when something is asked."""
    line = Line(monkeypatch, one=0)
    Sleepers("amqp://nobody").awake(["one"])
    (options,) = line.connections
    assert options["heartbeat"] == 0
    assert 0 < options["read_timeout"] <= 2, "that of a dead line is noticed by the next question"


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), amqp.ConnectionForced()])
def test_a_lost_line_is_made_anew(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    line = Line(monkeypatch, one=error)
    sleepers = Sleepers("amqp://nobody")
    with pytest.raises(type(error)):
        sleepers.awake(["one"])
    line.queues["one"] = 1
    assert set(sleepers.awake(["one"])) == {"one"}
    assert (len(line.connections), line.closed) == (2, 1)


def test_the_load_of_a_queue_that_is_not_there_yet_is_nothing() -> None:
    load = loads({"one": QueueNumbers(ready=1, unacknowledged=2, arrivals=0.5)})
    assert load("one") == Load(ready=1, unacknowledged=2, rate=0.5)
    assert load("two") == Load(ready=0, unacknowledged=0)
