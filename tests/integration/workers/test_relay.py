"""The relay and a broker that is out, or refuses: order, waiting, and what is told of it."""

import threading
import time
from collections.abc import Iterator

import amqp
import pytest
from millrace.derived import RELAY_SEND_SECONDS, RELAY_STUCK_SECONDS
from millrace.envelope import Envelope
from millrace.publishing.connection import broker_options
from millrace.publishing.message import Message, event_message
from millrace.publishing.outbox import outbox_row
from millrace.publishing.sender import Sender
from sqlalchemy import Engine, Row, delete, select
from sqlalchemy.exc import OperationalError

from operations.local.ports import free_ports
from tests.integration.millrace.proxy import proxy_to
from tests.integration.workers.outbox_rows import keyed
from tests.integration.workers.stack import Stack, until
from tests.noted_waits import Waits
from workers.database import begin, connect
from workers.relay import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, POLL_SECONDS, Relay, Round
from workers.relay_numbers import LAG, STOPPED, WAITING
from workers.settings import Settings
from workers.tables import outbox


@pytest.fixture
def engine(stack: Stack) -> Iterator[Engine]:
    """The stack's store with an empty outbox."""
    with stack.engine() as engine:
        with begin(engine) as connection:
            connection.execute(delete(outbox))
        with amqp.Connection(**broker_options(stack.url("group.ledger"))) as connection:
            connection.channel().queue_purge("ledger")
        yield engine


class OneRound(threading.Event):
    """Stops the relay after one round."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    def is_set(self) -> bool:
        """True from the second time on."""
        self._asked += 1
        return self._asked > 1


def placed(id_: str) -> Message:
    """An event that every group takes."""
    return event_message(Envelope(id=id_, source="/t", type="order.placed", data={"order_id": id_}))


def homeless(id_: str) -> Message:
    """A message that no queue takes."""
    return Message(exchange="groups", routing_key="group.nobody", body=b"{}", message_id=id_)


def write(engine: Engine, *messages: Message) -> None:
    """Add messages to the outbox."""
    with begin(engine) as connection:
        for message in messages:
            connection.execute(outbox_row(message, "order.placed"))


def relay_once(engine: Engine, sender: Sender) -> Round:
    """One round of a relay of its own, recorded."""
    relay = Relay()
    done = relay.round(engine, sender)
    relay.record(engine)
    return done


def rows(stack: Stack) -> dict[str, Row[tuple[object, ...]]]:
    """The outbox by event id."""
    return {row.event_id: row for row in stack.rows(select(outbox))}


def came(stack: Stack, queue: str, count: int) -> list[str]:
    """Take so many messages from a queue; their ids in the order of the queue."""
    with amqp.Connection(**broker_options(stack.url(f"group.{queue}"))) as connection:
        channel = connection.channel()

        def one() -> str | None:
            message = channel.basic_get(queue, no_ack=True)
            return message and str(message.properties["message_id"])

        return [until(one, what="a message") or "" for _ in range(count)]


def nowhere(stack: Stack) -> str:
    """The relay's broker URL with a port at which nobody listens."""
    here = f"{stack.broker.amqp_host}:{stack.broker.amqp_port}"
    [port] = free_ports(1)
    return stack.url("relay").replace(here, f"127.0.0.1:{port}")


def settings(stack: Stack, broker_url: str) -> Settings:
    """The relay's settings."""
    return Settings(broker_url=broker_url, database_url=stack.database_url, catalog=stack.catalog_name)


def test_after_an_outage_all_go_at_once_and_in_their_order(stack: Stack, engine: Engine) -> None:
    write(engine, placed("a"), placed("b"))
    before = rows(stack)
    out, back = Sender(nowhere(stack)), Sender(stack.url("relay"))
    for _ in range(3):
        assert relay_once(engine, out).outage
    found = rows(stack)
    assert [(found[id_].due_at, found[id_].attempts) for id_ in "ab"] == [(before[id_].due_at, 0) for id_ in "ab"]
    assert "no connection to the broker" in found["a"].error
    write(engine, placed("c"))
    done = relay_once(engine, back)
    back.close()
    assert (done.rows, done.outage) == (3, False)
    assert came(stack, "ledger", 3) == ["a", "b", "c"]


def test_a_confirm_that_does_not_come_is_no_fault_of_the_row(stack: Stack, engine: Engine) -> None:
    with proxy_to(stack.broker.amqp_host, stack.broker.amqp_port) as proxy:
        here = f":{stack.broker.amqp_port}/"
        sender = Sender(stack.url("relay").replace(here, f":{proxy.port}/"), timeout=1.0)
        assert not relay_once(engine, sender).rows
        sender.send([placed("first")])
        write(engine, placed("late"))
        before = rows(stack)["late"]
        proxy.hold_answers()
        assert relay_once(engine, sender).outage
        after = rows(stack)["late"]
        sender.close()
    assert (after.due_at, after.attempts, after.published_at) == (before.due_at, 0, None)
    assert "no confirm" in after.error


def test_a_row_that_no_queue_takes_waits_alone(stack: Stack, engine: Engine) -> None:
    write(engine, homeless("bad"), placed("good"))
    sender = Sender(stack.url("relay"))
    done = relay_once(engine, sender)
    sender.close()
    found = rows(stack)
    assert (done.rows, done.outage) == (2, False)
    assert found["good"].published_at is not None
    assert (found["bad"].attempts, found["bad"].published_at) == (1, None)
    assert found["bad"].due_at > found["bad"].created_at + 0.5


def test_a_row_is_published_exactly_as_it_was_recorded(stack: Stack, engine: Engine) -> None:
    recorded = Message(
        exchange="in",
        routing_key="order.placed",
        body=bytes(range(256)),
        message_id="\u00e9" * 100,
        content_type="application/x-own",
        headers={"text": "\u00e9\U0001f600", "number": 2**40, "nested": {"list": [1, None, True, 0.5]}},
    )
    write(engine, recorded)
    sender = Sender(stack.url("relay"))
    relay_once(engine, sender)
    sender.close()
    with amqp.Connection(**broker_options(stack.url("group.ledger"))) as connection:
        message = until(lambda: connection.channel().basic_get("ledger", no_ack=True), what="the message")
    properties = message.properties
    assert bytes(message.body) == recorded.body
    headers = {name: value for name, value in properties["application_headers"].items() if name != "x-delivery-count"}
    assert headers == recorded.headers
    named = ("message_id", "content_type", "delivery_mode")
    assert [properties[name] for name in named] == [recorded.message_id, recorded.content_type, 2]
    assert message.delivery_info["routing_key"] == "order.placed"


def test_the_relay_pauses_longer_and_longer_while_the_broker_is_out(stack: Stack, engine: Engine) -> None:
    write(engine, placed("waiting"))
    stopping = Waits(6)
    Relay().run(settings(stack, nowhere(stack)), stopping)
    first = FIRST_PAUSE_SECONDS
    assert stopping.noted == [first, first * 2, first * 4, first * 8, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
    assert rows(stack)["waiting"].attempts == 0
    idle = Waits(2)
    Relay().run(settings(stack, stack.url("relay")), idle)
    assert idle.noted == [POLL_SECONDS, POLL_SECONDS]


def test_metrics_tell_what_waits(stack: Stack, engine: Engine) -> None:
    write(engine, homeless("old"))
    with begin(engine) as connection:
        connection.execute(outbox.update().values(created_at=outbox.c.created_at - 100))
    keyed(engine, "k1")
    with begin(engine) as connection:
        connection.execute(outbox.update().where(outbox.c.partition_key == "k").values(attempts=1))
    for gauge in (LAG, WAITING, STOPPED):
        gauge.set(0)
    Relay().run(settings(stack, nowhere(stack)), OneRound())
    told = [
        sample.value for gauge in (LAG, WAITING, STOPPED) for metric in gauge.collect() for sample in metric.samples
    ]
    assert (told[0] > 99, *told[1:]) == (True, 2, 1)


def test_a_broker_that_accepts_and_never_answers_is_an_outage_and_not_a_stuck_relay(
    stack: Stack, engine: Engine
) -> None:
    """The bound of the watchdog is for a sender's patience of RELAY_SEND_SECONDS; here it is shorter."""
    write(engine, placed("waiting"))
    patience = 0.5
    with proxy_to(stack.broker.amqp_host, stack.broker.amqp_port) as proxy:
        proxy.black_hole()
        here = f":{stack.broker.amqp_port}/"
        sender = Sender(stack.url("relay").replace(here, f":{proxy.port}/"), timeout=patience)
        began = time.monotonic()
        assert relay_once(engine, sender).outage
        lasted = time.monotonic() - began
    assert lasted < RELAY_STUCK_SECONDS * patience / RELAY_SEND_SECONDS


def test_after_an_outage_it_begins_with_one_row(stack: Stack, engine: Engine) -> None:
    """What was sent into an outage may come twice: so it tries with little."""
    write(engine, *(placed(str(number)) for number in range(9)))
    relay, out, back = Relay(), Sender(nowhere(stack)), Sender(stack.url("relay"))
    rounds = [relay.round(engine, out).rows for _ in range(3)]
    rounds += [relay.round(engine, back).rows for _ in range(4)]
    relay.record(engine)
    back.close()
    assert rounds == [9, 1, 1, 1, 2, 4, 2]
    assert came(stack, "ledger", 9) == [str(number) for number in range(9)]


def test_what_was_published_is_recorded_though_the_store_was_out_meanwhile(stack: Stack, engine: Engine) -> None:
    write(engine, placed("once"))
    relay, sender = Relay(), Sender(stack.url("relay"))
    relay.round(engine, sender)
    nowhere_to_write = connect(f"sqlite:///{stack.directory}/no/such/folder.db")
    with pytest.raises(OperationalError):
        relay.record(nowhere_to_write)
    nowhere_to_write.dispose()
    relay.record(engine)
    sender.close()
    assert rows(stack)["once"].published_at is not None
    assert came(stack, "ledger", 1) == ["once"]
