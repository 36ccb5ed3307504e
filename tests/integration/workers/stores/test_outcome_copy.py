"""The copy of an outcome in the database: for people, and in nobody's way."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from tests.integration.workers.stack import prepare_store
from tests.integration.workers.stores.bench import BURIED, DONE_WELL, Bench
from workers import verdicts
from workers.database import begin, connect, reading
from workers.stores.outcome_copy import copy_outcome
from workers.stores.sql import DatabaseStore
from workers.tables import inbox as table
from workers.verdicts import Claim, Duplicate


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A fresh database with all tables, on each kind."""
    prepare_store(database_url)
    made = connect(database_url)
    yield made
    made.dispose()


def states(engine: Engine) -> list[str]:
    """What the inbox table says."""
    with reading(engine) as connection:
        return list(connection.execute(select(table.c.state)).scalars())


def copied(engine: Engine, held: Claim, outcome: object) -> None:
    """Copy in a transaction of its own."""
    with begin(engine) as connection:
        copy_outcome(connection, held, outcome)  # type: ignore[arg-type]


def test_a_later_outcome_replaces_an_earlier_one(engine: Engine) -> None:
    """Never the other way round; and a group that comes back to the database knows what it has done."""
    store = DatabaseStore(engine)
    bench = Bench(lambda: store, lambda: None)
    first = Claim(request=bench.request("e"), attempt=1, fence=1)
    second = replace(first, attempt=2, fence=2)
    copied(engine, first, BURIED)
    copied(engine, second, DONE_WELL)
    copied(engine, first, BURIED)
    assert states(engine) == [verdicts.PROCESSED]
    assert store.claim(bench.request("e")) == Duplicate(verdicts.PROCESSED)


def test_a_claim_in_the_same_table_is_left_alone(engine: Engine) -> None:
    """PostgreSQL leases may lie in the very database that the copies go to."""
    store = DatabaseStore(engine)
    held = store.claim(Bench(lambda: store, lambda: None).request())
    assert isinstance(held, Claim)
    copied(engine, held, DONE_WELL)
    assert states(engine) == [verdicts.RUNNING]
    store.complete(held, DONE_WELL)
