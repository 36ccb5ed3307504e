"""The keeper on a real broker: each message one letter, none lost, whatever comes twice."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import amqp
import pytest
from millrace import names
from millrace.envelope import Envelope
from millrace.errors import Refused
from millrace.publishing.connection import broker_options
from millrace.publishing.message import Message, event_message
from millrace.publishing.sender import Sender
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from tests.integration.workers.sample_catalog import CATALOG, EXTENDED
from tests.integration.workers.stack import Stack, until
from workers.app import make_app
from workers.database import begin, connect
from workers.keeper import Keeper, release_parked
from workers.letters import discard, replay
from workers.outgoing import Failure, event_letter
from workers.settings import Settings
from workers.tables import accepted, letters, outbox, stream_offsets


@pytest.fixture
def keeper(stack: Stack) -> Iterator[Keeper]:
    """A keeper in this process, its rounds made by the test."""
    with stack.engine() as engine:
        made = Keeper(settings(stack), engine)
        yield made
        made.close()


def settings(stack: Stack, **changes: str) -> Settings:
    """The keeper's settings."""
    own = {"broker_url": stack.url("keeper"), "database_url": stack.database_url, "catalog": stack.catalog_name}
    return Settings(**{**own, **changes})  # type: ignore[arg-type]


def send(stack: Stack, user: str, *messages: Message) -> None:
    """Send as one of the stack's users."""
    sender = Sender(stack.url(user))
    try:
        assert sender.send(messages) == [None] * len(messages)
    finally:
        sender.close()


def shipped(id_: str) -> Message:
    """An event that no group takes."""
    event = Envelope(id=id_[:200], source="/t", type="order.shipped", data={"order_id": id_})
    return replace(event_message(event), message_id=id_)


def parked(stack: Stack, *ids: str) -> list[str]:
    """The states of the parked letters of some events, oldest first."""
    query = select(letters.c.state).where(letters.c.event_id.in_(ids)).order_by(letters.c.id)
    return [row.state for row in stack.rows(query)]


def rounds(keeper: Keeper, stack: Stack, *ids: str, state: str = "open") -> None:
    """Make rounds until all these are letters in that state."""

    rounds_until(keeper, lambda: parked(stack, *ids) == [state] * len(ids), f"letters of {ids}")


def rounds_until(keeper: Keeper, condition: Callable[[], bool], what: str) -> None:
    """Let a keeper work until something is so."""

    def met() -> bool:
        keeper.round()
        return condition()

    until(met, what=what)


def test_parked_events_keep_their_order_and_bytes(stack: Stack, keeper: Keeper) -> None:
    """What no group takes becomes a letter; the log of accepted events is indexed."""
    sent = [shipped(f"p{number}") for number in range(20)]
    send(stack, "service.web", *sent)
    rounds(keeper, stack, *(message.message_id for message in sent))
    stored = [row for row in stack.letters("parked") if row.event_id in {message.message_id for message in sent}]
    assert [row.body for row in stored] == [message.body for message in sent]
    rounds_until(keeper, lambda: len(stack.rows(select(accepted))) == 20, what="the index")
    assert {row.event_id for row in stack.rows(select(accepted))} == {message.message_id for message in sent}


def held(stack: Stack, queue: str) -> int:
    """How many messages a queue holds, once no consumer has one of them."""
    with amqp.Connection(**broker_options(stack.url("keeper"))) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).message_count)


def test_redelivered_letter_is_one(stack: Stack) -> None:
    """A keeper that dies between store and ack leaves one letter, not two."""
    send(stack, "service.web", shipped("again"))
    with stack.engine() as engine:
        first = Keeper(settings(stack), engine)
        first._channel.basic_ack = lambda *_args, **_more: None  # the ack never gets to the broker
        rounds(first, stack, "again")
        first.close()
        until(lambda: held(stack, names.PARKED) == 1, what="the message, back in its queue")
        second = Keeper(settings(stack), engine)
        rounds_until(second, lambda: second.letters_seen == 1, what="the redelivery")
        second.close()
        assert held(stack, names.PARKED) == 0
    assert parked(stack, "again") == ["open"]


def test_equal_messages_without_identity_are_as_many_letters(stack: Stack, keeper: Keeper) -> None:
    """Two that are the same to the byte, and not redelivered, are two."""
    bare = Message(exchange=names.IN, routing_key="nobody.takes_this", body=b"the same", message_id="same")
    send(stack, "service.web", bare, bare)
    rounds_until(keeper, lambda: parked(stack, "same") == ["open", "open"], what="two letters")


def test_event_that_is_parked_again_is_a_letter_again(stack: Stack, keeper: Keeper) -> None:
    """It is known to the byte, and closed: it must not be taken for the one that is settled."""
    send(stack, "service.web", shipped("back"))
    rounds(keeper, stack, "back")
    with stack.engine() as engine, begin(engine) as connection:
        id_ = stack.rows(select(letters.c.id).where(letters.c.event_id == "back"))[0].id
        assert discard(connection, [id_]) == 1
    assert parked(stack, "back") == ["discarded"]
    send(stack, "service.web", shipped("back"))
    rounds_until(keeper, lambda: parked(stack, "back") == ["discarded", "open"], what="the second letter")


def test_borrowed_mark_loses_nothing(stack: Stack, keeper: Keeper) -> None:
    """Anyone can copy a letter's headers; only what came through `dead` from a worker is known by its mark."""
    mark = {"x-millrace-letter": "ab" * 32, "x-millrace-cause": "permanent"}
    send(stack, "service.web", *(replace(shipped(id_), headers=mark) for id_ in ("m1", "m2")))
    rounds(keeper, stack, "m1", "m2")


def test_celery_message_is_kept_as_an_event(stack: Stack, keeper: Keeper) -> None:
    """The relay, for which the broker does not vouch as a sender, could not send it again as it was."""
    app = make_app(stack.url("service.office"), CATALOG)
    app.send_task("order.shipped", kwargs={"orderId": "n"}, task_id="native-parked")
    app.close()
    rounds(keeper, stack, "native-parked")
    [row] = [row for row in stack.letters("parked") if row.event_id == "native-parked"]
    assert row.content_type == "application/cloudevents+json"
    assert Envelope.from_bytes(row.body).source == "/celery"


def test_message_that_amqp_cannot_carry_stops_nobody(stack: Stack) -> None:
    """It is refused by itself; the others of its bulk are confirmed (a relay would meet it for ever)."""
    sender = Sender(stack.url("service.web"))
    key = replace(shipped("k"), routing_key="é" * 200)
    heavy = replace(shipped("h"), headers={"heavy": "y" * 200_000})
    results = sender.send([shipped("u1"), shipped("x" * 300), shipped("u2"), key, heavy, shipped("u3")])
    sender.close()
    assert [type(result) for result in results] == [type(None), Refused, type(None), Refused, Refused, type(None)]


def test_row_that_the_store_refuses_stops_nobody(postgres_stack: Stack) -> None:
    """Ids longer than the index holds, and letters that PostgreSQL will not take as they are, among good ones."""
    long = Message(
        exchange=names.IN, routing_key="order.shipped", body=b'{"eventType": "order.shipped"}', message_id="é" * 110
    )
    send(postgres_stack, "service.web", replace(long, message_id="x" * 240), long, shipped("after"))
    with postgres_stack.engine() as engine:
        keeper = Keeper(settings(postgres_stack), engine)
        rounds(keeper, postgres_stack, "after")
        rounds_until(keeper, lambda: len(postgres_stack.letters("parked")) == 3, what="all three")
        keeper.close()


def test_broker_s_own_dead_letter_tells_its_reason(stack: Stack, keeper: Keeper) -> None:
    """A plain reject, the way out when nothing else works, ends as a letter with the broker's word for it."""
    event = event_message(Envelope(id="rejected", source="/t", type="order.placed", data={"order_id": "r"}))
    send(stack, "service.web", event)
    with amqp.Connection(**keeper_options(stack)) as connection:
        channel = connection.channel()
        message = until(lambda: channel.basic_get("ledger"), what="the event")
        channel.basic_reject(message.delivery_tag, requeue=False)
        rounds(keeper, stack, "rejected")
    assert [row.cause for row in stack.letters() if row.event_id == "rejected"] == ["rejected by the worker"]


def keeper_options(stack: Stack) -> dict[str, object]:
    """Connection options of the ledger group's user."""
    return broker_options(stack.url("group.ledger"))


def test_release_waits_for_a_group_and_publishes_once(stack: Stack, keeper: Keeper) -> None:
    """Without a group nothing is released; with one, each letter gives one outbox row."""
    send(stack, "service.web", shipped("wait"))
    rounds(keeper, stack, "wait")
    with stack.engine() as engine:
        waiting = len([row for row in stack.letters("parked") if row.type == "order.shipped"])
        assert release_parked(engine, keeper._catalog) == 0
        assert release_parked(engine, EXTENDED) == waiting
        assert release_parked(engine, EXTENDED) == 0
    rows = stack.rows(select(outbox).where(outbox.c.event_id == "wait"))
    assert [(row.exchange, row.routing_key) for row in rows] == [("events", "order.shipped")]
    assert parked(stack, "wait") == ["released"]


def test_dead_letter_sent_twice_is_one_and_replay_raises_the_generation(stack: Stack, keeper: Keeper) -> None:
    """The letter's own mark tells it; the replayed message bears the next generation and the same bytes."""
    event = Envelope(id="twice", source="/t", type="order.placed", data={"order_id": "t"})
    letter = event_letter(
        event, "ledger", Failure(cause="permanent", error="no", stack="s"), generation=0, fingerprint="f"
    )
    send(stack, "group.ledger", letter, letter)
    rounds_until(keeper, lambda: parked(stack, "twice") == ["open"], what="the letter")
    rounds_until(keeper, lambda: keeper.letters_seen == 2, what="both of them")
    stored = [row for row in stack.letters() if row.event_id == "twice"]
    assert [(row.cause, row.error, row.stack) for row in stored] == [("permanent", "no", "s")]
    with stack.engine() as engine, begin(engine) as connection:
        replay(connection, [stored[0].id])
    [row] = stack.rows(select(outbox).where(outbox.c.event_id == "twice"))
    assert row.headers == {"x-millrace-generation": 1}
    assert (row.exchange, row.routing_key, row.body) == ("groups", "group.ledger", letter.body)


def test_messages_wait_while_the_store_is_out(stack: Stack, tmp_path: Path) -> None:
    """A store that fails leaves the messages in their queue, in the hands of the next keeper."""
    send(stack, "service.web", shipped("patient"))
    broken = replace(settings(stack), database_url=f"sqlite:///{tmp_path / 'empty.db'}")
    with stack.engine() as engine:
        keeper = Keeper(settings(stack), engine)
        keeper._engine = connect(broken.database_url)
        with pytest.raises(OperationalError):
            keeper.round()
        keeper._engine.dispose()
        keeper.close()
        healed = Keeper(settings(stack), engine)
        rounds(healed, stack, "patient")
        healed.close()
    assert json.loads(next(r.body for r in stack.letters("parked") if r.event_id == "patient"))["id"] == "patient"


def test_stream_that_was_made_anew_is_read_from_its_start(stack: Stack) -> None:
    """A new broker under an old store: what it accepts is indexed, whatever was read of the old one."""
    with stack.engine() as engine, begin(engine) as connection:
        connection.execute(update(stream_offsets).values(next_offset=1_000_000))
        connection.execute(delete(accepted))
    send(stack, "service.web", shipped("reborn"))
    with stack.engine() as engine:
        again = Keeper(settings(stack), engine)
        index = select(accepted.c.event_id).where(accepted.c.event_id == "reborn")
        rounds_until(again, lambda: len(stack.rows(index)) == 1, what="the index")
        again.close()
