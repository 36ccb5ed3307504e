"""The shapes that Lambda calls a function with."""

from __future__ import annotations

from typing import Any

import pytest
from millrace.errors import InvalidEvent

from workers.functions.records import Record, UnknownShape, records_of
from workers.notification import Notification

SQS = {
    "messageId": "1",
    "receiptHandle": "r",
    "body": "{}",
    "messageAttributes": {"id": {"stringValue": "own", "dataType": "String"}},
    "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:us-east-1:1:q",
}


def only(event: dict[str, Any]) -> Record:
    """Its one record."""
    (record,) = records_of(event)
    return record


def test_sqs() -> None:
    """With what is needed to let it come back."""
    record = only({"Records": [SQS]})
    assert (record.mark, record.receipt, record.queue) == ("1", "r", "arn:aws:sqs:us-east-1:1:q")
    assert isinstance(record.content, Notification)
    assert (record.content.id, record.content.source) == ("own", "/sqs/q")


def test_sqs_that_cannot_be_read() -> None:
    """The problem is the record's own."""
    bad = {**SQS, "messageAttributes": {"generation": {"stringValue": "x", "dataType": "String"}}}
    first, second = records_of({"Records": [bad, SQS]})
    assert isinstance(first.content, InvalidEvent)
    assert isinstance(second.content, Notification)


def test_sns() -> None:
    """It has no receipt."""
    sns = {"MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:T", "Message": "{}"}
    record = only({"Records": [{"EventSource": "aws:sns", "Sns": sns}]})
    assert isinstance(record.content, Notification)
    assert (record.mark, record.receipt, record.content.source) == ("m", None, "/sns/T")


def test_eventbridge() -> None:
    """Id, source and type are the event's, the body is its detail."""
    record = only({"id": "e", "source": "com.x {y}", "detail-type": "USER_SIGNUP", "detail": {"userId": "ü"}})
    assert isinstance(record.content, Notification)
    assert (record.content.id, record.content.source) == ("e", "/eventbridge/com.x--y-")
    assert (record.content.type, record.content.body) == ("USER_SIGNUP", b'{"userId": "\\u00fc"}')


@pytest.mark.parametrize("event", [{}, {"Records": [{}]}, {"Records": [{"eventSource": "aws:s3"}]}, {"detail": {}}])
def test_anything_else(event: dict[str, Any]) -> None:
    """A function that was subscribed to something else says so, and its call fails."""
    with pytest.raises(UnknownShape):
        records_of(event)
