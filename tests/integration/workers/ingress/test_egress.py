"""The egress between a real RabbitMQ, SNS and SQS: what goes out, what never can, and what ends or cuts it off."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import amqp
import pytest
from millrace import names
from millrace.envelope import CONTENT_TYPE, Envelope
from millrace.publishing.connection import broker_options
from millrace.publishing.message import Message, event_message
from millrace.publishing.sender import Sender

from operations.faults.proxy import Proxy
from tests.integration.workers.ingress.conftest import Service
from tests.integration.workers.ingress.door import AwsDoor
from tests.integration.workers.stack import Stack, kill_tree, until
from workers import outward
from workers.database import begin
from workers.letters import replay
from workers.service import TROUBLE

pytestmark = pytest.mark.long

LISTENER = "somebody-else"
EVENTS = 300


def closed(id_: str, **changes: Any) -> Message:
    """An event that goes out."""
    fields: dict[str, Any] = {"id": id_, "source": "/web", "type": "order.closed", "data": {"order_id": id_}}
    return event_message(Envelope(**{**fields, **changes}))


def send(stack: Stack, *messages: Message, user: str = "service.web") -> None:
    """Send as one of the stack's users."""
    with closing(Sender(stack.url(user))) as sender:
        assert sender.send(messages) == [None] * len(messages)


def heard(door: AwsDoor, count: int, queue: str = LISTENER) -> list[dict[str, Any]]:
    """Take so many messages from a queue."""
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        found.extend(door.take(queue))
        return len(found) >= count

    until(enough, what=f"{count} messages in {queue}")
    return found


def events(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What SNS has delivered, with its attributes."""
    envelopes = [json.loads(message["Body"]) for message in messages]
    return [{**json.loads(one["Message"]), "attributes": one.get("MessageAttributes")} for one in envelopes]


def nothing_is_left(stack: Stack) -> None:
    """Nothing was left in the queue `outward` by an egress that has ended: what it had not acked is back."""
    admin = {"userid": stack.broker.admin_user, "password": stack.broker.admin_password}
    until(lambda: stack.consumers(names.OUTWARD) == 0, what="no consumer")
    with amqp.Connection(**{**broker_options(stack.url("monitor")), **admin}) as connection:
        assert connection.channel().queue_declare(names.OUTWARD, passive=True).message_count == 0


def test_what_is_forwarded_goes_to_its_topic(stack: Stack, door: AwsDoor, service: Service) -> None:
    """As CloudEvents with its id, whoever published it and under whatever name; other types stay."""
    door.listen("order.closed", LISTENER)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    other = event_message(Envelope(id="x", source="/web", type="order.paid", data={"order_id": "x"}))
    alias = Message(exchange=names.IN, routing_key="CLOSED", body=closed("c2", type="CLOSED").body, message_id="c2")
    send(stack, closed("c1", traceparent=trace), alias, other)
    with service.egress():
        found = {event["id"]: event for event in events(heard(door, 2))}
    nothing_is_left(stack)
    assert set(found) == {"c1", "c2"}
    assert [event["type"] for event in found.values()] == ["order.closed"] * 2
    said = {name: value["Value"] for name, value in found["c1"]["attributes"].items()}
    assert said == {"type": "order.closed", "id": "c1", "traceparent": trace}


def test_a_replay_goes_to_the_queue_of_its_function(stack: Stack, door: AwsDoor, service: Service) -> None:
    """From the letters by the relay to the function's own queue, with the generation that opens its inbox again."""
    queue = door.function_queue("audit")
    body = Envelope(id="r1", source="/shop", type="order.placed", data={"order_id": "r"}).to_bytes().decode()
    door.send(f"{queue}-dead", [body], cause="permanent", error="no", generation="1")
    stack.start_relay()
    with service.ingress(), service.egress():
        letter = until(stack.letters, what="the letter")[0]
        with stack.engine() as engine, begin(engine) as connection:
            assert replay(connection, [letter.id]) == 1
        [message] = heard(door, 1, queue)
    nothing_is_left(stack)
    stack.end("relay")
    assert json.loads(message["Body"])["id"] == "r1"
    assert message["MessageAttributes"]["generation"]["StringValue"] == "2"
    assert stack.letters() == []


def test_what_can_never_go_out_is_rejected_and_stops_no_other(
    stack: Stack, door: AwsDoor, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no event, and what AWS refuses for what it is: one of a batch, and alone."""
    door.listen("order.closed", LISTENER)
    garbage = Message(exchange=names.IN, routing_key="order.closed", body=b"\xff", message_id="n1")
    other = Envelope(id="n2", source="/web", type="order.paid", data={"order_id": "x"}).to_bytes()
    wrong = Message(exchange=names.IN, routing_key="order.closed", body=other, message_id="n2")
    monkeypatch.setattr("workers.outward._entry", picky())
    send(stack, closed("a1"), garbage, closed("n3", data={"order_id": "never"}), wrong, closed("a2"))
    with service.egress():
        found = {event["id"] for event in events(heard(door, 2))}
        until(lambda: len(stack.letters("rejected")) == 3, what="three letters")
    nothing_is_left(stack)
    assert found == {"a1", "a2"}
    letters = {row.event_id: row for row in stack.letters("rejected")}
    assert {id_: row.cause for id_, row in letters.items()} == {
        "n1": "invalid",
        "n2": "invalid",
        "n3": "refused by AWS",
    }
    assert letters["n1"].body == b"\xff"
    assert "invalid message attribute type" in letters["n3"].error


def picky() -> Any:
    """Entries as they are made, but one that AWS will not take: an attribute of a type that there is none of."""
    made = outward._entry

    def entry(number: int, one: outward.Outward) -> dict[str, Any]:
        found = made(number, one)
        if "never" in one.text:
            found["MessageAttributes"]["bad"] = {"DataType": "Nonsense", "StringValue": "x"}
        return found

    return entry


def test_aws_goes_and_comes_back(stack: Stack, door: AwsDoor, service: Service) -> None:
    """Nothing is acked, and no more is taken than fits in hand; then everything goes out."""
    door.listen("order.closed", LISTENER)
    parts = urlsplit(door.aws.endpoint)
    with Proxy(parts.hostname or "", parts.port or 0) as line:
        line.refuse()
        send(stack, *(closed(f"o{number}") for number in range(EVENTS)))
        with service.egress(endpoint=f"http://127.0.0.1:{line.port}"):
            until(TROUBLE.labels("egress")._value.get, what="trouble that shows")
            until(lambda: stack.messages(names.OUTWARD) == EVENTS, what="all of them in the queue")
            line.let_pass()
            found = {event["id"] for event in events(heard(door, EVENTS))}
            until(lambda: TROUBLE.labels("egress")._value.get() == 0, what="no trouble")
        nothing_is_left(stack)
    assert found == {f"o{number}" for number in range(EVENTS)}


def test_a_topic_that_is_not_there_stops_no_function(stack: Stack, door: AwsDoor, service: Service) -> None:
    with closing(door.aws.client("sns")) as sns:
        sns.delete_topic(TopicArn=door.topic(door.catalog.event("order.closed")))
        event = Envelope(id="f1", source="/shop", type="order.placed", data={"order_id": "f"})
        body = event.to_bytes()
        alone = Message(
            exchange=names.GROUPS, routing_key="group.audit", body=body, message_id="f1", content_type=CONTENT_TYPE
        )
        send(stack, closed("t1"))
        send(stack, alone, user="service.office")
        with service.egress():
            heard(door, 1, door.function_queue("audit"))
            until(lambda: stack.messages(names.OUTWARD) == 1, what="the one that waits for its topic")
            sns.create_topic(Name="Closed")
            door.listen("order.closed", LISTENER)
            until(lambda: stack.messages(names.OUTWARD) == 0, what="an empty queue")
        nothing_is_left(stack)


@pytest.mark.parametrize("politely", [True, False])
def test_ended_in_the_middle_each_event_goes_out(stack: Stack, door: AwsDoor, politely: bool) -> None:
    door.listen("order.closed", LISTENER)
    ids = {f"{'stopped' if politely else 'killed'}{number}" for number in range(EVENTS)}
    send(stack, *(closed(id_) for id_ in ids))
    stack.start("egress", "egress", "workers.egress", **door.settings())
    found = {event["id"] for event in events(heard(door, EVENTS // 10))}
    process = stack.processes.pop("egress")
    if politely:
        process.terminate()
        assert process.wait(20) == 0
    else:
        kill_tree(process.pid)
        process.wait(5)
    stack.start("egress", "egress", "workers.egress", **door.settings())

    def all_heard() -> bool:
        found.update(event["id"] for event in events(door.take(LISTENER)))
        return found >= ids

    until(all_heard, what="each event")
    stack.end("egress")
    if politely:  # what was killed had some unanswered at the broker, which come again, perhaps not before the end
        nothing_is_left(stack)
    assert stack.letters("rejected") == []
