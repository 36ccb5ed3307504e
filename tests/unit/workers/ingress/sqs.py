"""SQS messages as AWS gives them, and a catalog with public and other event types."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from millrace.declarations import Catalog, Event, LambdaGroup, Payload, Topic, WorkerGroup

from tests.strategies import Free

TOPIC = "arn:aws:sns:us-east-1:123456789012:MyTopic"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


class Inner(Payload):
    """Of no public type."""

    event_type: ClassVar[str] = "inner.thing"


class Task(Payload):
    """A group's own task."""

    event_type: ClassVar[str] = "group.task"


CATALOG = Catalog(
    events=[Event(Free, aliases=["ANY_THING"], public=Topic("MyTopic")), Event(Inner)],
    groups=[WorkerGroup("g", handles=[Free], tasks=[Task])],
    functions=[LambdaGroup("audit", handles=[Free])],
)


def attributes(**values: str) -> dict[str, Any]:
    """SQS's message attributes."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def raw(body: str | dict[str, Any], **given: str) -> dict[str, Any]:
    """A message as it was sent to the queue."""
    text = body if isinstance(body, str) else json.dumps(body)
    found: dict[str, Any] = {"MessageId": "sqs-1", "ReceiptHandle": "r", "Body": text}
    return {**found, "MessageAttributes": attributes(**given)} if given else found


def by_sns(body: str | dict[str, Any], **given: str) -> dict[str, Any]:
    """A message that SNS has delivered in its envelope."""
    text = body if isinstance(body, str) else json.dumps(body)
    envelope: dict[str, Any] = {"Type": "Notification", "MessageId": "sns-1", "TopicArn": TOPIC, "Message": text}
    if given:
        envelope["MessageAttributes"] = {name: {"Type": "String", "Value": value} for name, value in given.items()}
    return raw(envelope)


def cloudevent(**changes: Any) -> dict[str, Any]:
    """A good event."""
    event = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "any.thing", "data": {"text": "t"}}
    return {name: value for name, value in {**event, **changes}.items() if value is not None}
