"""The same events through every door: RabbitMQ, SNS to RabbitMQ, SNS to Lambda; row by row the same outcome."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from millrace import names
from millrace.aws_messages import text_attributes
from millrace.envelope import Envelope
from millrace.errors import InvalidEvent, PublishError
from millrace.publishing import Publisher
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender
from sqlalchemy import Connection, select

from operations.local.layout import REPOSITORY
from operations.local.stack_record import StackRecord
from tests.integration.aws.conftest import Millrace
from tests.integration.aws.vectors import CONFLICT, PROCESSED, VECTORS, Vector, refused
from tests.integration.workers.stack import until
from tests.localstack_server import Aws
from workers.database import connect, reading
from workers.tables import letters

pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.usefixtures("record")]
TOPIC = "arn:aws:sns:us-east-1:123456789012:MyTopic"
PAGE = REPOSITORY / "docs" / "aws.md"


@contextmanager
def store(record: StackRecord) -> Iterator[Connection]:
    engine = connect(record.database_url)
    try:
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def in_scope(vector: Vector, door: str) -> Vector:
    """The vector with ids of its own for a door, so that the doors do not meet."""

    def own(text: str | None) -> str | None:
        return None if text is None else text.replace('"id": "', f'"id": "{door}-').replace('["', f'["{door}, ')

    beside = f"{door}-{vector.beside}" if vector.beside else None
    return Vector(vector.name, own(vector.body) or "", vector.outcome, beside, own(vector.before))


def id_of(vector: Vector) -> str:
    found = re.search(r'"id": "([^"]*)"', vector.body)
    return vector.beside or (found.group(1) if found else "")


def letter_of(record: StackRecord, vector: Vector, kind: str, group: str | None) -> str | None:
    """What the letter of this very message says, as an outcome."""
    mine = (letters.c.kind == kind, letters.c.group_name == group)
    with store(record) as connection:
        rows = connection.execute(select(letters.c.body, letters.c.cause, letters.c.error).where(*mine)).all()
    for body, cause, error in rows:
        if body == vector.body.encode() or (cause == CONFLICT and same_event(body, vector)):
            return CONFLICT if cause == CONFLICT else refused(str(error).partition(":")[0])
    return None


def same_event(body: bytes, vector: Vector) -> bool:
    """A conflict's letter bears the event as it was read, not to the byte."""
    return bool(json.loads(body)["id"] == id_of(vector))


def outcome(millrace: Millrace, vector: Vector, group: str) -> str | None:
    found = millrace("why", id_of(vector))["groups"].get(group, {})
    once = found.get("attempts") == 1
    return PROCESSED if found.get("outcome") == "processed" and once else None


def through_rabbitmq(record: StackRecord, vector: Vector) -> str | None:
    """As a service publishes: what its publisher does not refuse is sent; bytes that are no envelope are sent raw."""
    url = record.amqp_url(names.service_user(record.vhost, "web"))
    for text in filter(None, (vector.before, vector.body)):
        try:
            event = Envelope.from_bytes(text.encode())
        except InvalidEvent as error:
            if "specversion" in text and error.field != "envelope":
                return refused(error.field)
            message = Message(
                exchange=names.IN,
                routing_key="user.signed_up",
                body=text.encode(),
                message_id=id_of(vector),
                content_type="application/json",
            )
            with closing(Sender(url)) as sender:
                sender.send_one(message)
            continue
        with Publisher(url) as publisher:
            try:
                publisher.publish(event)
            except InvalidEvent as error:
                return refused(error.field)
            except PublishError as error:  # it must be taken or refused
                raise AssertionError(error) from error
    return None


def through_sns(record: StackRecord, vector: Vector) -> None:
    beside = text_attributes({"id": vector.beside} if vector.beside else {})
    with closing(Aws(record.aws["endpoint"], record.aws["account"]).client("sns")) as sns:
        for text in filter(None, (vector.before, vector.body)):
            sns.publish(TopicArn=TOPIC, Message=text, MessageAttributes=beside)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
def test_an_event_has_the_same_outcome_by_every_door(record: StackRecord, millrace: Millrace, vector: Vector) -> None:
    by_broker, by_sns = in_scope(vector, "amqp"), in_scope(vector, "sns")
    at_once = through_rabbitmq(record, by_broker)
    through_sns(record, by_sns)
    doors = {
        "RabbitMQ": lambda: at_once or found(by_broker, "signup", ("dead", "signup")),
        "SNS to RabbitMQ": lambda: found(by_sns, "signup", ("rejected", None), ("dead", "signup")),
        "SNS to Lambda": lambda: found(by_sns, "audit", ("dead", "audit")),
    }

    def found(its: Vector, group: str, *places: tuple[str, str | None]) -> str | None:
        told = next((said for place in places if (said := letter_of(record, its, *place))), None)
        return told or (outcome(millrace, its, group) if vector.outcome == PROCESSED else None)

    for door, look in doors.items():
        assert until(look, seconds=60, what=f"{vector.name} by {door}") == vector.outcome, door


def test_the_page_says_so() -> None:
    table = {
        cells[1].strip(): [cell.strip() for cell in cells[2:5]]
        for line in PAGE.read_text().splitlines()
        if (cells := line.split("|"))[1:] and len(cells) == 6
    }
    for vector in VECTORS:
        assert table[vector.name] == [vector.outcome] * 3


def test_the_same_event_twenty_times_at_once_has_one_effect_per_consumer(
    record: StackRecord, millrace: Millrace
) -> None:
    event = VECTORS[0].body.replace('"valid"', '"at-once"')
    with (
        closing(Aws(record.aws["endpoint"], record.aws["account"]).client("sns")) as sns,
        ThreadPoolExecutor(20) as all_,
    ):
        list(all_.map(lambda _: sns.publish(TopicArn=TOPIC, Message=event), range(20)))

    def quiet() -> bool:
        door: dict[str, Any] = millrace("status")["aws"]
        waiting = [*door["ingress"].values(), door["functions"]["audit"]]
        return not any(one["ready"] or one["in_flight"] for one in waiting)

    until(quiet, seconds=150, what="empty queues")  # what met its twin at work comes again after the lease
    groups = until(lambda: processed_by(millrace, "at-once"), seconds=30, what="all groups")
    assert {name: one["attempts"] for name, one in groups.items()} == {"signup": 1, "analytics": 1, "audit": 1}
    with store(record) as connection:
        [accounts] = connection.exec_driver_sql("select count(*) from accounts where user_id = 'at-once'").one()
    assert accounts == 1
    assert millrace("why", "at-once")["letters"] == []


def processed_by(millrace: Millrace, event_id: str) -> dict[str, Any]:
    groups: dict[str, Any] = millrace("why", event_id)["groups"]
    done = {name: one for name, one in groups.items() if one["outcome"] == "processed"}
    return done if len(done) == 3 else {}
