"""Waiting for consumers: as many as the group is named, and the log's end when they do not come."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, cast

import pytest

from operations.local import waiting
from operations.local.errors import LocalError

if TYPE_CHECKING:
    from operations.local.broker import Broker

BROKER = cast("Broker", SimpleNamespace(amqp="x", admin_user="u", admin_password="p"))


class _Line:
    """A connection whose channel tells, one look after another, how many consumers the queue has."""

    counts: list[int]

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def channel(self) -> Self:
        return self

    def queue_declare(self, _name: str, *, passive: bool) -> SimpleNamespace:
        assert passive
        return SimpleNamespace(consumer_count=self.counts.pop(0) if len(self.counts) > 1 else self.counts[0])


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> waiting.Watch:
    """A watch on a fleet that is well, on a broker that is not one."""
    monkeypatch.setattr("operations.local.waiting.amqp.Connection", _Line)
    monkeypatch.setattr(waiting, "FLEET_SECONDS", 0.3)
    layout = SimpleNamespace(log=lambda name: tmp_path / name)
    return cast("waiting.Watch", SimpleNamespace(check=lambda: None, layout=layout))


def test_a_group_that_is_named_twice_must_have_two(watch: waiting.Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FLEET_SECONDS", 20)
    monkeypatch.setattr(_Line, "counts", [1, 1, 2], raising=False)
    waiting.wait_for_consumers(watch, BROKER, "v", lambda: ["first", "first"], lambda _text: None)
    assert _Line.counts == [2]


def test_one_is_too_few_for_two(watch: waiting.Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Line, "counts", [1], raising=False)
    waiting.wait_for_consumers(watch, BROKER, "v", lambda: ["first"], lambda _text: None)
    with pytest.raises(LocalError, match="got too few for first"):
        waiting.wait_for_consumers(watch, BROKER, "v", lambda: ["first", "first"], lambda _text: None)
