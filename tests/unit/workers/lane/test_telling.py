"""What Flower is told of a batch, and when."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest
from millrace import seal
from millrace.events import UserSignedUp

from workers.lane import telling
from workers.stores.store import Outcome
from workers.verdicts import PROCESSED

LIMIT = 24


@pytest.fixture(autouse=True)
def _no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "publish_reports", lambda *_: None)


def ran(count: int) -> list[Any]:
    """So many events of a batch."""
    made = []
    for number in range(count):
        envelope = seal(UserSignedUp(user_id="1"), source="/s", id=str(number))
        pairs = [(SimpleNamespace(received=SimpleNamespace(envelope=envelope)), SimpleNamespace(attempt=1))]
        made.append(_Several(pairs))
    return made


class _Several(list[Any]):
    outcome = Outcome(state=PROCESSED, milliseconds=2.0)


def told(*batches: int, waits: bool = True) -> tuple[list[str], int]:
    """What is done with the buffer after each of these batches, and how much is in it then."""
    done: list[str] = []
    buffers: dict[str, list[Any]] = defaultdict(list)

    def flush(*, errors: bool) -> None:
        assert not errors
        done.append(f"sent {len(buffers['task'])}")
        buffers["task"].clear()

    dispatcher = SimpleNamespace(
        enabled=True,
        hostname="h",
        pid=1,
        clock=SimpleNamespace(forward=lambda: 1),
        buffer_limit=LIMIT,
        on_send_buffered=(lambda: done.append("later")) if waits else None,
        _group_buffer=buffers,
        flush=flush,
    )
    for count in batches:
        telling.tell(cast(Any, ran(count)), "signup", dispatcher)
    return done, len(buffers["task"])


def test_many_are_told_at_once() -> None:
    assert told(100) == (["sent 200"], 0)


def test_few_wait_for_others() -> None:
    """An event by itself is two events of Celery's."""
    assert told(1, 1) == (["later", "later"], 4)
    assert told(11, 1) == (["later", "sent 24"], 0)


def test_where_nothing_can_wait_they_are_told() -> None:
    assert told(1, waits=False) == (["sent 2"], 0)
