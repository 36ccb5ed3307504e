"""What handlers defer is done as it was written, whichever way it comes to the driver."""

from collections.abc import Iterator
from typing import Any

import pytest
from millrace.catalog import CATALOG
from millrace.envelope import Envelope
from sqlalchemy import JSON, Column, Engine, Integer, MetaData, Table, Text, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from tests.integration.workers.claims import first_claim
from workers.database import begin, connect, reading
from workers.migrate import migrate
from workers.work import Overtaken, UnitOfWork

THINGS = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", Text),
    Column("more", JSON),
    Column("made", Integer, default=lambda: 7),
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A store with one thing in it."""
    migrate(database_url)
    made = connect(database_url, patience=2.0)
    THINGS.create(made)
    with begin(made) as connection:
        connection.execute(insert(THINGS).values(id=1, name="one"))
    yield made
    made.dispose()


@pytest.fixture
def work(engine: Engine) -> UnitOfWork:
    """The work of some event."""
    return UnitOfWork(engine, CATALOG, first_claim(Envelope(id="1", source="/s", type="t")))


def flushed(engine: Engine, work: UnitOfWork) -> list[tuple[Any, ...]]:
    """All things, once the work is done."""
    with begin(engine) as connection:
        work.flush(connection)
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(select(THINGS).order_by(THINGS.c.id))]


def test_in_order(engine: Engine, work: UnitOfWork) -> None:
    work.execute(insert(THINGS).values(made=1), {"id": 2, "name": "%s", "more": {"a": [1]}})
    work.execute(text("update things set name = name || '%' where name like '%s'"))
    work.execute(update(THINGS).where(THINGS.c.id == 2).values(name=THINGS.c.name + "!"), rows=1)
    work.execute(insert(THINGS), {"id": 3, "name": "a default"})
    work.execute(THINGS.delete().where(THINGS.c.id.in_([1, 5])))
    assert flushed(engine, work) == [(2, "%s%!", {"a": [1]}, 1), (3, "a default", None, 7)]


def test_another_number_of_rows_is_an_error(engine: Engine, work: UnitOfWork) -> None:
    work.execute(insert(THINGS).values(made=1), {"id": 2})
    work.execute(update(THINGS).where(THINGS.c.id == 5).values(name="x"), rows=1)
    with pytest.raises(Overtaken, match="changed 0 rows, 1 were expected"):
        flushed(engine, work)
    assert flushed(engine, UnitOfWork(engine, CATALOG, work._held)) == [(1, "one", None, 7)]


def test_what_the_driver_raises_is_sqlalchemy_s(engine: Engine, work: UnitOfWork) -> None:
    """Which tells an outage from a mistake of the handler's."""
    work.execute(insert(THINGS).values(made=1), {"id": 1})
    with pytest.raises(IntegrityError):
        flushed(engine, work)
