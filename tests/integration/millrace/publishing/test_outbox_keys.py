"""Writers of one partition key come one after the other, so that ids are in the order of the commits."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from millrace.events import UserSignedUp
from millrace.publishing import Outbox
from millrace.publishing.outbox_keys import hold_keys, key_number
from millrace.publishing.outbox_table import outbox_table
from sqlalchemy import Connection, Engine, MetaData, create_engine, select
from sqlalchemy.exc import OperationalError

from tests.postgres_server import fresh_database

METADATA = MetaData()
OUTBOX = outbox_table(METADATA)


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    """A PostgreSQL database with the outbox; nobody waits for a lock longer than a moment."""
    with fresh_database(postgres_url) as url:
        engine = create_engine(url, connect_args={"options": "-c lock_timeout=300"})
        METADATA.create_all(engine)
        yield engine
        engine.dispose()


def publish(connection: Connection, id_: str, key: str | None) -> None:
    Outbox(connection).publish(UserSignedUp(user_id=id_), id=id_, partition_key=key)


def ids(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(OUTBOX.c.event_id).order_by(OUTBOX.c.id)).scalars())


def test_a_second_writer_of_a_key_waits_for_the_first(engine: Engine) -> None:
    """Else its row could be seen, and published, before the first one's lower id."""
    with engine.begin() as first:
        publish(first, "first", "k")
        with pytest.raises(OperationalError, match="lock timeout"), engine.begin() as second:
            publish(second, "second", "k")
        with engine.begin() as other:
            publish(other, "other key", "k2")
            publish(other, "no key", None)
        assert ids(engine) == ["other key", "no key"]
    with engine.begin() as second:
        publish(second, "second", "k")
    assert ids(engine) == ["first", "other key", "no key", "second"]


def test_a_writer_that_is_rolled_back_lets_the_next_one_go_on(engine: Engine) -> None:
    with engine.connect() as first:
        publish(first, "first", "k")
        first.rollback()
        with engine.begin() as second:
            publish(second, "second", "k")
    assert ids(engine) == ["second"]


def test_many_keys_in_any_order_never_block_each_other(engine: Engine) -> None:
    """Four writers with the same keys in different orders: without one order of the locks, some would be ended."""
    patient = create_engine(engine.url, connect_args={"options": "-c lock_timeout=20000"})
    keys = [f"k{number}" for number in range(12)]
    together = threading.Barrier(4)

    def writer(number: int) -> None:
        together.wait()
        for turn in range(10):
            order = keys if (number + turn) % 2 else keys[::-1]
            with patient.begin() as connection:
                hold_keys(connection, order)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(writer, range(4)))
    patient.dispose()


def test_events_of_one_call_are_written_together_in_their_order(engine: Engine) -> None:
    events = [UserSignedUp(user_id=str(number)) for number in range(5)]
    with engine.begin() as connection:
        written = Outbox(connection).publish_many(events, partition_key="k")
    assert ids(engine) == written
    with engine.begin() as connection:
        assert Outbox(connection).publish_many([]) == []


def test_the_number_of_a_key_never_changes() -> None:
    """Services of different releases must meet at the same lock."""
    assert (key_number("order-1"), key_number("\u00e9")) == (1906045796820576351, -5195005954032487426)
