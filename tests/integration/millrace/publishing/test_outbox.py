"""The outbox: an event exists if, and only if, the service's own transaction commits; on both stores."""

import time
from collections.abc import Iterator
from typing import ClassVar

import pytest
from millrace import Envelope, InvalidEvent, Payload, names, seal
from millrace.errors import UnknownEventType
from millrace.events import OnboardingStepDue, UserSignedUp
from millrace.publishing import Outbox
from millrace.publishing.outbox_table import outbox_table
from sqlalchemy import Column, Engine, Integer, MetaData, Row, Table, create_engine, insert, select

METADATA = MetaData()
OUTBOX = outbox_table(METADATA)
ORDERS = Table("orders", METADATA, Column("id", Integer, primary_key=True))


class Unknown(Payload):
    event_type: ClassVar[str] = "user.lost"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with the outbox and a table of the service's own."""
    engine = create_engine(database_url)
    METADATA.create_all(engine)
    yield engine
    engine.dispose()


def rows(engine: Engine, table: Table = OUTBOX) -> list[Row[tuple[object, ...]]]:
    with engine.connect() as connection:
        return list(connection.execute(select(table).order_by(table.c.id)))


def test_an_event_is_there_once_the_transaction_commits(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(ORDERS).values(id=1))
        id_ = Outbox(connection, source="/shop").publish(UserSignedUp(user_id="1"), partition_key="p")
    (row,) = rows(engine)
    assert (row.event_id, row.type, row.exchange, row.routing_key) == (
        id_,
        "user.signed_up",
        names.IN,
        "user.signed_up",
    )
    assert (row.partition_key, row.attempts, row.published_at, row.error, row.headers) == ("p", 0, None, None, {})
    envelope = Envelope.from_bytes(row.body)
    assert (envelope.id, envelope.source, envelope.data["user_id"]) == (id_, "/shop", "1")
    a_minute = 60
    assert abs(row.created_at - time.time()) < a_minute
    assert abs(row.due_at - row.created_at) < a_minute


def test_nothing_is_there_when_the_transaction_is_rolled_back(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(insert(ORDERS).values(id=1))
        Outbox(connection).publish(UserSignedUp(user_id="1"))
        connection.rollback()
    assert rows(engine) == []
    assert rows(engine, ORDERS) == []


def test_a_savepoint_takes_its_events_back_with_it(engine: Engine) -> None:
    with engine.begin() as connection:
        outbox = Outbox(connection)
        outbox.publish(UserSignedUp(user_id="1"), id="kept")
        with connection.begin_nested() as savepoint:
            outbox.publish(UserSignedUp(user_id="1"), id="taken back")
            savepoint.rollback()
    assert [row.event_id for row in rows(engine)] == ["kept"]


def test_nobody_else_sees_the_event_before_the_commit(engine: Engine) -> None:
    with engine.begin() as connection:
        Outbox(connection).publish(UserSignedUp(user_id="1"))
        assert rows(engine) == []
    assert len(rows(engine)) == 1


@pytest.mark.parametrize("event", [Unknown(), OnboardingStepDue(account_id="1"), UserSignedUp.model_construct()])
def test_what_is_not_valid_is_refused_and_leaves_the_transaction_usable(engine: Engine, event: Payload) -> None:
    with engine.begin() as connection:
        with pytest.raises(InvalidEvent):
            Outbox(connection).publish(event)
        connection.execute(insert(ORDERS).values(id=1))
    assert rows(engine) == []
    assert len(rows(engine, ORDERS)) == 1


def test_events_keep_the_order_in_which_they_were_written(engine: Engine) -> None:
    with engine.begin() as connection:
        ids = [Outbox(connection).publish(UserSignedUp(user_id=str(n))) for n in range(20)]
    assert [row.event_id for row in rows(engine)] == ids


def test_an_envelope_is_kept_as_it_is(engine: Engine) -> None:
    envelope = seal(UserSignedUp(user_id="\u00e9\U0001f600"), source="/elsewhere", id="\u00e9" * 100)
    with engine.begin() as connection:
        assert Outbox(connection, source="/shop").publish(envelope) == envelope.id
        with pytest.raises(UnknownEventType):
            Outbox(connection).publish(envelope.model_copy(update={"type": "user.lost"}))
    assert [Envelope.from_bytes(row.body) for row in rows(engine)] == [envelope]
