"""What the commands read from AWS: messages that wait in SQS, and what functions have on record in DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from millrace import aws_names
from sqlalchemy import Connection, create_engine, insert

from operations.aws_place import AwsPlace
from operations.function_outcomes import FunctionOutcomes
from operations.queue_numbers import QueueNumbers
from operations.sqs_numbers import door_queues, sqs_numbers
from operations.why import why
from tests.door_catalog import CATALOG
from tests.dynamodb_server import make_table
from tests.localstack_server import Aws
from workers.stores.items import item_key
from workers.tables import accepted, metadata

VHOST = "millrace-test"
NOWHERE = AwsPlace(region="us-east-1", account="123456789012", endpoint="http://127.0.0.1:9")
SOURCE = "/sns/MyTopic"


@pytest.fixture
def place(aws: Aws) -> AwsPlace:
    return AwsPlace(region=aws.region, account=aws.account, endpoint=aws.endpoint)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A store that knows of one event that came through the topic."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        row = {"source": SOURCE, "event_id": "e-1", "type": "user.signed_up", "accepted_at": 1.0}
        connection.execute(insert(accepted).values(row))
        yield connection
    engine.dispose()


def record(aws: Aws, **fields: str) -> None:
    """Write an item as the function's inbox does."""
    table = aws_names.inbox_table(VHOST, "audit")
    item = {
        "key": item_key("audit", SOURCE, "e-1"),
        "type": "user.signed_up",
        "state": "processed",
        "attempts": "1",
        "generation": "0",
        "milliseconds": "12.5",
        **fields,
    }
    with closing(aws.client("dynamodb")) as dynamodb:
        make_table(dynamodb, table, "key")
        dynamodb.put_item(TableName=table, Item={name: {"S": value} for name, value in item.items()})


def reported(connection: Connection, place: AwsPlace | None, event_id: str = "e-1") -> dict[str, Any]:
    with closing(FunctionOutcomes(place, CATALOG, VHOST)) as functions:
        return why(connection, CATALOG, event_id, functions=functions)


def test_what_waits_is_counted_and_queues_that_are_not_there_are_left_out(aws: Aws, place: AwsPlace) -> None:
    queue = aws_names.function_queue(VHOST, "audit")
    with closing(aws.client("sqs")) as sqs:
        url = sqs.create_queue(QueueName=queue)["QueueUrl"]
        for text in ("a", "b", "c"):
            sqs.send_message(QueueUrl=url, MessageBody=text)
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    numbers = sqs_numbers(place, {}, CATALOG, VHOST)
    assert numbers is not None
    assert (numbers.queues, numbers.problem) == ({queue: QueueNumbers(ready=2, unacknowledged=1)}, None)


def test_every_queue_of_the_door_is_looked_at_with_its_dead_letters() -> None:
    incoming = "millrace-test-in-user--signed_up"
    functions = ["millrace-test-fn-audit", "millrace-test-fn-guide"]
    queues = [incoming, *functions]
    assert door_queues(CATALOG, VHOST) == [name for queue in queues for name in (queue, f"{queue}-dead")]


def test_an_aws_that_does_not_answer_is_a_problem_that_is_told() -> None:
    numbers = sqs_numbers(NOWHERE, {}, CATALOG, VHOST)
    assert numbers is not None
    assert (numbers.problem or "").startswith("SQS does not answer: ")
    noted = sqs_numbers(None, {"problem": "port 4566 must be free"}, CATALOG, VHOST)
    assert noted is not None
    assert noted.problem == "port 4566 must be free"


def test_why_tells_what_a_function_has_on_record(aws: Aws, place: AwsPlace, connection: Connection) -> None:
    record(aws)
    report = reported(connection, place)
    audit = report["groups"]["audit"]
    assert (audit["outcome"], audit["attempts"], audit["milliseconds"]) == ("processed", 1, 12.5)
    assert report["groups"]["guide"]["outcome"] == "not recorded"
    assert report["groups"]["signup"]["outcome"] == "in flight"


def test_a_function_without_a_record_has_the_event_still_to_come(place: AwsPlace, connection: Connection) -> None:
    assert reported(connection, place)["groups"]["audit"]["outcome"] == "in flight"


def test_what_only_a_function_knows_of_is_found_by_its_topic(aws: Aws, place: AwsPlace, connection: Connection) -> None:
    record(aws, key=item_key("audit", SOURCE, "e-2"), state="retrying")
    report = reported(connection, place, "e-2")
    assert (report["source"], report["type"]) == (SOURCE, "user.signed_up")
    assert report["groups"]["audit"]["outcome"] == "in flight"


@pytest.mark.parametrize(("where", "said"), [(NOWHERE, "DynamoDB does not answer"), (None, "where AWS is must be")])
def test_without_an_answer_nothing_is_claimed(connection: Connection, where: AwsPlace | None, said: str) -> None:
    audit = reported(connection, where)["groups"]["audit"]
    assert audit["outcome"] == "not recorded"
    assert audit["error"].startswith(said)
