"""A batch that is sent with its commit, and looked at later."""

import time
from collections.abc import Iterator

import psycopg
import pytest
from millrace.catalog import CATALOG
from millrace.derived import COMMIT_SECONDS
from millrace.envelope import Envelope
from sqlalchemy import Column, Engine, MetaData, Table, Text, func, insert, select
from sqlalchemy.exc import OperationalError

from tests.integration.workers.claims import first_claim
from tests.integration.workers.stack import until
from tests.postgres_server import by_way_of_proxy, fresh_database
from workers.database import connect, is_outage, reading
from workers.lane.running import Ran
from workers.lane.transaction import Sent, Taken, Transactions
from workers.lane.work import BatchedWork
from workers.migrate import migrate
from workers.stores.sql import DatabaseStore
from workers.stores.store import Outcome
from workers.tables import inbox
from workers.verdicts import PROCESSED

MARKS = Table("marks", MetaData(), Column("mark", Text, primary_key=True))


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """An empty store."""
    with fresh_database(postgres_url) as fresh:
        migrate(fresh)
        engine = connect(fresh)
        MARKS.create(engine)
        engine.dispose()
        yield fresh


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """As the lane has it."""
    made = connect(url, patience=2.0, forks=True, ping=False)
    yield made
    made.dispose()


def ran(engine: Engine, *ids: str, marks: tuple[str, ...] = ()) -> list[Ran]:
    """Events whose handlers have ended, one of which leaves marks."""
    made = []
    for id_ in ids:
        held = [first_claim(Envelope(id=id_, source="/s", type="order.placed"))]
        work = BatchedWork(engine, CATALOG, held, DatabaseStore(engine))
        for mark in marks if id_ == ids[0] else ():
            work.execute(insert(MARKS).values(mark=mark))
        made.append(Ran(entries=[], held=held, work=work, outcome=Outcome(state=PROCESSED, milliseconds=1.0)))
    return made


def sent(engine: Engine, events: list[Ran]) -> Sent:
    """What is on its way."""
    on_its_way = Transactions(engine).send(events, time.monotonic() + COMMIT_SECONDS)
    assert on_its_way is not None
    return on_its_way


def recorded(engine: Engine) -> list[str]:
    """The ids in the inbox."""
    with reading(engine) as connection:
        return list(connection.execute(select(inbox.c.event_id).order_by(inbox.c.event_id)).scalars())


def marked(engine: Engine) -> int:
    """How many marks there are."""
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(MARKS)).scalar_one())


def test_it_is_committed_though_nobody_looks(engine: Engine) -> None:
    on_its_way = sent(engine, ran(engine, "1", "2", marks=("here",)))
    until(lambda: recorded(engine) == ["1", "2"], seconds=5, what="both on record")
    assert marked(engine) == 1
    on_its_way.end(time.monotonic() + COMMIT_SECONDS)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_nothing_is_committed_if_one_is_on_record(engine: Engine) -> None:
    sent(engine, ran(engine, "2")).end(time.monotonic() + COMMIT_SECONDS)
    events = ran(engine, "1", "2", "3", marks=("here",))
    with pytest.raises(psycopg.DataError, match="2 of 3 events are new"):
        sent(engine, events).end(time.monotonic() + COMMIT_SECONDS)
    assert (recorded(engine), marked(engine), engine.pool.checkedout()) == (["2"], 0, 0)  # type: ignore[attr-defined]
    with pytest.raises(Taken) as taken:
        Transactions(engine).commit(events)
    assert taken.value.free == {("/s", "1"), ("/s", "3")}


def test_nothing_is_committed_if_a_statement_fails(engine: Engine) -> None:
    with pytest.raises(psycopg.IntegrityError, match="duplicate key"):
        sent(engine, ran(engine, "1", "2", marks=("twice", "twice"))).end(time.monotonic() + COMMIT_SECONDS)
    assert (recorded(engine), marked(engine)) == ([], 0)


def test_the_line_is_whole_after_an_error(engine: Engine) -> None:
    with pytest.raises(psycopg.IntegrityError, match="duplicate key"):
        sent(engine, ran(engine, "1", marks=("twice", "twice"))).end(time.monotonic() + COMMIT_SECONDS)
    sent(engine, ran(engine, "1", marks=("once",))).end(time.monotonic() + COMMIT_SECONDS)
    assert (recorded(engine), marked(engine)) == (["1"], 1)


def test_a_server_that_does_not_answer_is_given_up(url: str) -> None:
    with by_way_of_proxy(url) as (own, proxy):
        engine = connect(own, patience=2.0, forks=True, ping=False)
        sent(engine, ran(engine, "1")).end(time.monotonic() + COMMIT_SECONDS)
        proxy.hold()
        began = time.monotonic()
        with pytest.raises(OperationalError) as lost:
            Transactions(engine).send(ran(engine, "2"), began + 1.0)
        assert is_outage(lost.value)
        assert 1.0 <= time.monotonic() - began < COMMIT_SECONDS
        proxy.let_pass()
        engine.dispose()


def test_sqlite_commits_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its write lock must not be held while handlers run."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'inbox.db'}"
    migrate(url)
    engine = connect(url, forks=True)
    assert Transactions(engine).send(ran(engine, "1"), time.monotonic() + COMMIT_SECONDS) is None
    assert recorded(engine) == ["1"]
    engine.dispose()


def test_answers_that_do_not_come_are_given_up(url: str, engine: Engine) -> None:
    """The server falls silent once it has committed: nobody is told, and the record says it to who tries again."""
    with by_way_of_proxy(url) as (own, proxy):
        cut_off = connect(own, patience=2.0, forks=True, ping=False)
        events = ran(cut_off, "1")
        on_its_way = sent(cut_off, events)
        until(lambda: recorded(engine) == ["1"], seconds=5, what="the commit")
        proxy.strand()
        began = time.monotonic()
        with pytest.raises(OperationalError) as lost:
            on_its_way.end(began + 1.0)
        assert is_outage(lost.value)
        assert time.monotonic() - began < COMMIT_SECONDS
        with pytest.raises(Taken):
            Transactions(cut_off).commit(events)
        cut_off.dispose()
