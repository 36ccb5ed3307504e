"""The oracle asks `millrace reconcile`, too: what it names, and what is still on its way, is red."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, delete, insert, update

from operations.faults.effects import metadata as metadata_of_effects
from operations.faults.judging import CALLED_TWICE, NOT_CALLED, NOT_PUBLISHED, TRIED_TOO_OFTEN
from operations.faults.ledger import Ledger
from operations.faults.oracle import Oracle, messages_left, not_reconciled
from operations.faults.sample import CATALOG, Begun, Called
from operations.faults.world import World
from workers.database import begin, connect
from workers.reconciliation import note_addressed
from workers.tables import accepted, addressed, inbox, metadata
from workers.verdicts import PROCESSED

LINES = (CALLED_TWICE, NOT_CALLED, NOT_PUBLISHED, TRIED_TOO_OFTEN)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A store in which one event was accepted, and handled by its group."""
    engine = connect(f"sqlite:///{tmp_path / 'store.db'}")
    metadata.create_all(engine)
    note_addressed(engine, CATALOG)
    with begin(engine) as connection:
        connection.execute(update(addressed).values(since=0.0))
        named = {"source": "/load", "event_id": "p-1", "type": Begun.event_type}
        connection.execute(insert(accepted).values(**named, accepted_at=store_now() - 1_000_000))
        numbers = {"attempts": 1, "generation": 0, "fence": 1, "fingerprint": "f", "owner": "o"}
        times = {"due_at": 1.0, "first_seen_at": 1.0, "updated_at": 1.0}
        row = {**named, **numbers, **times, "group_name": "first", "state": PROCESSED}
        connection.execute(insert(inbox).values(row))
    yield engine
    engine.dispose()


def test_all_adds_up(engine: Engine) -> None:
    assert list(not_reconciled(engine, CATALOG, "p-")) == []


def test_an_event_without_an_outcome_is_red(engine: Engine) -> None:
    with begin(engine) as connection:
        connection.execute(delete(inbox))
    assert [text.partition(":")[0] for text in not_reconciled(engine, CATALOG, "p-")] == ["p-1 at first"]


def test_what_may_be_on_its_way_is_red(engine: Engine) -> None:
    with begin(engine) as connection:
        connection.execute(delete(inbox))
        connection.execute(update(accepted).values(accepted_at=store_now()))
    assert list(not_reconciled(engine, CATALOG, "p-")) == ["1 on their way at first"]


def test_other_scenarios_do_not_matter(engine: Engine) -> None:
    with begin(engine) as connection:
        connection.execute(delete(inbox))
    assert list(not_reconciled(engine, CATALOG, "q-")) == []


@pytest.fixture
def world(tmp_path: Path, engine: Engine) -> World:
    """A stack with nothing left over, whose provider got one call and whose poison was tried twice."""
    metadata_of_effects.create_all(engine)
    fields: dict[str, Any] = {"catalog": CATALOG, "managements": list, "unplanned": dict}
    fields["record"] = SimpleNamespace(database_url=f"sqlite:///{tmp_path / 'store.db'}")
    fields["sink"] = SimpleNamespace(calls=Counter({"key": 1}), attempts=Counter({"p-9": 2}))
    return cast("World", SimpleNamespace(engine=engine, **fields))


def _found(world: World, *, accepted: bool = True) -> dict[str, list[str]]:
    ledger = Ledger()
    ledger.mean({"q-1": Called.event_type})
    ledger.accept(["q-1"] if accepted else [])
    found = Oracle(world, ledger, "q-").judge().found
    return {line: items for line, items in found.items() if line in LINES}


def test_one_call_for_one_event_is_as_it_should_be(world: World) -> None:
    assert _found(world) == {}


def test_what_was_never_confirmed_is_red(world: World) -> None:
    """A publisher that does not get going again loses nothing that was accepted, and is broken all the same."""
    assert _found(world, accepted=False) == {NOT_PUBLISHED: ["q-1"]}


def test_one_event_under_two_keys_is_called_twice(world: World) -> None:
    world.sink.calls["another key"] += 1
    assert _found(world) == {CALLED_TWICE: ["1 keys too many"]}


def test_one_key_twice_is_called_twice(world: World) -> None:
    world.sink.calls["key"] += 1
    assert _found(world) == {CALLED_TWICE: ["1 calls too many"]}


def test_no_call_is_not_called(world: World) -> None:
    world.sink.calls.clear()
    assert _found(world) == {NOT_CALLED: ["1 calls too few"]}


def test_poison_beyond_its_attempts_is_red(world: World) -> None:
    world.sink.attempts["p-9"] += 1
    assert _found(world) == {TRIED_TOO_OFTEN: ["p-9: 3 of 2 attempts"]}


def test_a_queue_that_does_not_say_what_it_has_is_not_empty() -> None:
    queues = [{"name": "first", "type": "quorum", "messages": 0}, {"name": "second", "type": "quorum"}]
    queues += [{"name": "third", "type": "quorum", "messages": 2}, {"name": "control", "type": "classic"}]
    queues += [{"name": "accepted", "type": "stream", "messages": 9}]
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=queues))
    fields = {"managements": lambda: [httpx.Client(base_url="http://broker", transport=transport)]}
    world = cast("World", SimpleNamespace(record=SimpleNamespace(vhost="v"), **fields))
    assert messages_left(world) == ["2 messages in third", "second does not say how many messages it has"]
