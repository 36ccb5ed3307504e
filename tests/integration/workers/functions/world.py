"""A function with its queues and tables at a fresh account of LocalStack, called as Lambda would call it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from millrace import aws_names
from millrace.aws_derived import function_timing
from millrace.aws_messages import text_attributes

from tests.dynamodb_server import make_table
from tests.integration.workers.functions.catalog import CATALOG
from tests.localstack_server import Aws
from workers.aws_lambda import Function, make
from workers.functions.outbox import SHARD
from workers.functions.settings import FunctionSettings

VHOST = "millrace-test"
HANDLERS = "tests.integration.workers.functions.handlers"
CATALOG_PLACE = "tests.integration.workers.functions.catalog:CATALOG"


@dataclass
class Context:
    """What Lambda says of a call."""

    milliseconds: float = 300_000
    aws_request_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def get_remaining_time_in_millis(self) -> int:
        """How long the call may still take."""
        return round(self.milliseconds)


@dataclass
class World:
    """One function; its marks are the effects."""

    aws: Aws
    group: str
    marks: Path
    sqs: Any
    dynamodb: Any
    queue: str
    dead: str

    @property
    def settings(self) -> FunctionSettings:
        """What the function is told."""
        table = aws_names.inbox_table(VHOST, self.group)
        return FunctionSettings(
            group=self.group,
            dead_queue_url=self.dead,
            inbox_url=f"dynamodb://{table}?region={self.aws.region}&endpoint={self.aws.endpoint}&timeout=20",
            outbox_table=aws_names.outbox_table(VHOST),
            aws_endpoint=self.aws.endpoint,
            catalog=CATALOG_PLACE,
            handlers=HANDLERS,
        )

    @property
    def environment(self) -> dict[str, str]:
        """The same for a process."""
        settings = {f"MILLRACE_{name.upper()}": value for name, value in vars(self.settings).items() if value}
        return {**self.aws.environment, **settings, "MARKS": str(self.marks)}

    def function(self, **changed: Any) -> Function:
        """The function after a cold start."""
        return make(replace(self.settings, **changed))

    def effects(self) -> list[str]:
        """The parts that were stored, once for each time."""
        return [line.split()[0] for line in self.marks.read_text().splitlines()] if self.marks.exists() else []

    def outbox(self) -> Sequence[Mapping[str, Any]]:
        """What waits for the relay."""
        return list(
            self.dynamodb.query(
                TableName=aws_names.outbox_table(VHOST),
                KeyConditionExpression="shard = :shard",
                ExpressionAttributeValues={":shard": {"S": SHARD}},
                ConsistentRead=True,
            )["Items"]
        )

    def letters(self) -> list[dict[str, Any]]:
        """The dead letters, taken out: body and attributes."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.sqs.receive_message(
                QueueUrl=self.dead, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            ).get("Messages", [])
            if not answer:
                return found
            for message in answer:
                self.sqs.delete_message(QueueUrl=self.dead, ReceiptHandle=message["ReceiptHandle"])
                attributes = {name: one["StringValue"] for name, one in message["MessageAttributes"].items()}
                found.append({"body": message["Body"], **attributes})

    def send(self, *bodies: str, **attributes: str) -> None:
        """Put messages into the function's queue."""
        typed = text_attributes(attributes)
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body, MessageAttributes=typed)

    def receive(self, most: int = 10) -> list[dict[str, Any]]:
        """Take messages out of the queue, as the records that Lambda makes of them."""
        answer = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=most, MessageAttributeNames=["All"], WaitTimeSeconds=1
        )
        arn = aws_names.arn("sqs", self.aws.region, self.aws.account, self.queue.rpartition("/")[2])
        return [sqs_record(each["Body"], arn, each) for each in answer.get("Messages", [])]


def sqs_record(body: str, arn: str, message: Mapping[str, Any] | None = None, **attributes: str) -> dict[str, Any]:
    """A record as Lambda's event source of SQS makes it."""
    message = message or {}
    given = {name: typed["StringValue"] for name, typed in message.get("MessageAttributes", {}).items()} | attributes
    return {
        "messageId": message.get("MessageId", str(uuid.uuid4())),
        "receiptHandle": message.get("ReceiptHandle", "none"),
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {name: {"stringValue": each, "dataType": "String"} for name, each in given.items()},
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }


def cloud_event(id_: str, part: str = "bolt", how: str = "well", **more: Any) -> str:
    """An event in the wire format."""
    data = {"part": part, "how": how}
    return json.dumps({"specversion": "1.0", "id": id_, "source": "/test", "type": "part.seen", "data": data, **more})


@contextmanager
def world(aws: Aws, group: str, directory: Path) -> Iterator[World]:
    """Make the queues and tables."""
    sqs, dynamodb = aws.client("sqs"), aws.client("dynamodb")
    name = aws_names.function_queue(VHOST, group)
    timing = function_timing(CATALOG.lambda_group(group))
    attributes = {"VisibilityTimeout": str(timing.visibility)}
    queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    dead = sqs.create_queue(QueueName=aws_names.dead_queue(name))["QueueUrl"]
    make_table(dynamodb, aws_names.inbox_table(VHOST, group), "key")
    make_table(dynamodb, aws_names.outbox_table(VHOST), "shard", "at")
    try:
        yield World(aws, group, directory / "marks", sqs, dynamodb, queue, dead)
    finally:
        sqs.close()
        dynamodb.close()
