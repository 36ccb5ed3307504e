"""The shapes that Lambda calls a function with."""

from __future__ import annotations

from typing import Any

import pytest

from workers.functions.records import Record, UnknownShape, records_of

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
    assert (record.content.id, record.content.source) == ("own", "/sqs/q")


def test_sns() -> None:
    """It has no receipt."""
    sns = {"MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:T", "Message": "{}"}
    record = only({"Records": [{"EventSource": "aws:sns", "Sns": sns}]})
    assert (record.mark, record.receipt, record.content.source) == ("m", None, "/sns/T")


def test_eventbridge() -> None:
    """Id, source and type are the event's, the body is its detail."""
    record = only({"id": "e", "source": "com.x {y}", "detail-type": "USER_SIGNUP", "detail": {"userId": "ü"}})
    assert (record.content.id, record.content.source) == ("e", "/eventbridge/com.x--y-")
    assert (record.content.type, record.content.body) == ("USER_SIGNUP", b'{"userId": "\xc3\xbc"}')


def test_eventbridge_with_half_a_character() -> None:
    """It is kept as it is, so that it is refused later, in its letter."""
    record = only({"id": "e", "source": "s", "detail-type": "USER_SIGNUP", "detail": {"userId": "\ud800"}})
    assert record.content.body == b'{"userId": "\xed\xa0\x80"}'


@pytest.mark.parametrize("event", [{}, {"Records": [{}]}, {"Records": [{"eventSource": "aws:s3"}]}, {"detail": {}}])
def test_anything_else(event: dict[str, Any]) -> None:
    """A function that was subscribed to something else says so, and its call fails."""
    with pytest.raises(UnknownShape):
        records_of(event)
