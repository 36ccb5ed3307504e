"""The oracle asks `millrace reconcile`, too: what it names, and what is still on its way, is red."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, delete, insert, update

from operations.faults.oracle import not_reconciled
from operations.faults.sample import CATALOG, Begun
from workers.database import begin, connect
from workers.inbox import PROCESSED
from workers.reconciliation import note_addressed
from workers.tables import accepted, addressed, inbox, metadata


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
