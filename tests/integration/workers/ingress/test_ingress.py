"""The ingress between a real SNS, SQS (LocalStack) and RabbitMQ: what is accepted, rejected, absorbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from millrace import aws_names
from millrace.publishing import SnsPublisher
from sqlalchemy import select

from tests.integration.workers.ingress.conftest import Service, empty
from tests.integration.workers.ingress.door import AwsDoor
from tests.integration.workers.ingress.door_catalog import CATALOG, OrderPaid
from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.stack import Stack, until
from workers.ingress.queues import SqsQueue
from workers.tables import accepted

PLAIN = {"eventType": "ORDER", "orderId": "o1"}


def cloudevent(id_: str, **changes: Any) -> dict[str, Any]:
    """A good event."""
    event = {"specversion": "1.0", "id": id_, "source": "/shop", "type": "order.placed", "data": {"order_id": id_}}
    return {name: value for name, value in {**event, **changes}.items() if value is not None}


def indexed(stack: Stack) -> list[tuple[str, str, str]]:
    """Source, id and type of what RabbitMQ has accepted."""
    found = stack.rows(select(accepted.c.source, accepted.c.event_id, accepted.c.type))
    return sorted((row.source, row.event_id, row.type) for row in found)


def until_indexed(stack: Stack, *expected: tuple[str, str, str]) -> None:
    """Wait until just these are accepted."""
    until(lambda: indexed(stack) == sorted(expected), what=f"{expected} in the index, found {indexed(stack)}")


def test_both_shapes_come_in_with_their_ids(stack: Stack, door: AwsDoor, service: Service) -> None:
    [said] = door.publish("order.placed", PLAIN)
    door.publish("order.placed", PLAIN, id="mine")
    door.publish("order.placed", cloudevent("e1"), cloudevent("e2", type="ORDER"))
    door.publish("order.paid", cloudevent("e3", type="order.paid"))
    door.send(door.queue("order.paid"), [{"eventType": "order.paid", "orderId": "o"}], id="raw")
    with service.ingress():
        until_indexed(
            stack,
            ("/sns/Orders", said, "order.placed"),
            ("/sns/Orders", "mine", "order.placed"),
            ("/shop", "e1", "order.placed"),
            ("/shop", "e2", "order.placed"),
            ("/shop", "e3", "order.paid"),
            (f"/sqs/{door.queue('order.paid')}", "raw", "order.paid"),
        )
        empty(door)
    assert stack.letters("rejected") == []


def test_what_the_publisher_sends_through_sns_comes_in(stack: Stack, door: AwsDoor, service: Service) -> None:
    service.settings("ingress")  # and credentials in the environment
    with (
        SnsPublisher(
            door.prefix,
            region=door.aws.region,
            account=door.aws.account,
            endpoint=door.aws.endpoint,
            source="/shop",
            catalog=CATALOG,
        ) as publisher,
        service.ingress(),
    ):
        publisher.publish(OrderPlaced(order_id="one"), id="own")
        ids = publisher.publish_many([OrderPaid(order_id=str(number)) for number in range(12)])
        until_indexed(stack, ("/shop", "own", "order.placed"), *(("/shop", id_, "order.paid") for id_ in ids))


def test_an_event_of_another_public_type_passes_through_the_topic(
    stack: Stack, door: AwsDoor, service: Service
) -> None:
    door.publish("order.placed", cloudevent("other", type="order.paid"))
    with service.ingress():
        until_indexed(stack, ("/shop", "other", "order.paid"))
        empty(door)


def test_one_bad_record_of_a_batch_fails_itself_only(stack: Stack, door: AwsDoor, service: Service) -> None:
    bad: dict[str, str | dict[str, Any]] = {
        "invalid": "no json",
        "unknown event type": cloudevent("b2", type="some.thing"),
        "not public": cloudevent("b3", type="order.shipped"),
        "unknown dataschema": cloudevent("b4", dataschema="urn:millrace:order.placed:9"),
        "oversized": cloudevent("b5", data={"order_id": "x" * 65_536}),
    }
    door.publish("order.placed", *(one for pair in zip(bad.values(), _good(5), strict=True) for one in pair))
    door.send(door.queue("order.placed"), [PLAIN])
    with service.ingress():
        until(lambda: len(stack.letters("rejected")) == 6, what="six letters")
        until_indexed(stack, *(("/shop", f"g{number}", "order.placed") for number in range(5)))
        empty(door)
    found = {row.cause: row for row in stack.letters("rejected")}
    assert set(found) == {*bad, "no id"}
    assert found["unknown event type"].event_id == "b2"
    assert found["not public"].type == "order.shipped"
    assert found["invalid"].body == b"no json"
    assert found["no id"].source == f"/sqs/{door.queue('order.placed')}"
    assert found["invalid"].headers["sns-topic"] == "Orders"
    assert all(row.error for row in found.values())


def _good(count: int) -> list[dict[str, Any]]:
    return [cloudevent(f"g{number}") for number in range(count)]


def test_what_is_delivered_again_keeps_its_id(
    stack: Stack, door: AwsDoor, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever cannot be deleted comes again, with the same id or as the same letter."""
    deletes: list[int] = []
    delete = SqsQueue.delete

    def not_at_first(self: Any, messages: Sequence[Any]) -> None:
        deletes.append(len(messages))
        if len(deletes) > 3:
            delete(self, messages)
        else:
            self.give_back(messages, at_once=True)

    monkeypatch.setattr(SqsQueue, "delete", not_at_first)
    [said] = door.publish("order.placed", PLAIN)
    door.publish("order.placed", "no json")
    with service.ingress():
        until(lambda: len(deletes) > 3, what="a delete that is made")
        empty(door)
    until_indexed(stack, ("/sns/Orders", said, "order.placed"))
    until(lambda: len(stack.letters("rejected")) == 1, what="the letter")


def test_poison_becomes_a_rejected_letter(stack: Stack, door: AwsDoor, service: Service) -> None:
    """What AWS has moved to the dead-letter queue of an ingress queue."""
    dead = aws_names.dead_queue(door.queue("order.placed"))
    door.send(dead, [cloudevent("poison")])
    with service.ingress():
        [row] = until(lambda: [row for row in stack.letters("rejected") if row.event_id == "poison"], what="the letter")
        empty(door)
    assert (row.cause, row.source) == ("given back too often", "/shop")


def test_dead_letters_of_a_function_are_in_the_one_table(stack: Stack, door: AwsDoor, service: Service) -> None:
    dead = aws_names.dead_queue(door.function_queue("audit"))
    told = {"cause": "permanent", "error": "no such order", "attempts": "3", "letter": "a" * 64, "generation": "1"}
    door.send(dead, [cloudevent("d1")] * 2, **told)
    door.send(dead, [cloudevent("d2")])
    with service.ingress():
        until(lambda: len(stack.letters()) == 2, what="two letters")
        empty(door)
    found = {row.event_id: row for row in stack.letters()}
    written = found["d1"]
    assert (written.group_name, written.cause, written.error) == ("audit", "permanent", "no such order")
    assert (written.attempts, written.generation) == (3, 1)
    assert found["d2"].cause == "given back too often"
