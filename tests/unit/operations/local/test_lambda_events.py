"""What Lambda makes of messages, and what a function's answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from operations.local.lambda_events import settled, sns_event, sqs_event
from workers.functions.records import records_of

MESSAGES: list[dict[str, Any]] = [
    {
        "MessageId": str(number),
        "ReceiptHandle": f"r{number}",
        "Body": "{}",
        "Attributes": {"ApproximateReceiveCount": "1"},
        "MessageAttributes": {
            "id": {"DataType": "String", "StringValue": "own"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\xff"},
        },
    }
    for number in range(3)
]


def test_sqs() -> None:
    """As a function reads it."""
    event = json.loads(json.dumps(sqs_event(MESSAGES, "arn:aws:sqs:eu-west-1:1:q")))
    assert [record.mark for record in records_of(event)] == ["0", "1", "2"]
    first = event["Records"][0]
    assert (first["awsRegion"], first["messageAttributes"]["raw"]["binaryValue"]) == ("eu-west-1", "/w==")
    assert first["messageAttributes"]["id"]["stringValue"] == "own"


def test_sns() -> None:
    """One record, as SNS makes it."""
    envelope = {"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": "hello", "SigningCertURL": "u"}
    (record,) = sns_event(json.dumps(envelope), "s")["Records"]
    assert record["EventSource"] == "aws:sns"
    assert (record["Sns"]["Message"], record["Sns"]["SigningCertUrl"], record["Sns"]["Subject"]) == ("hello", "u", None)


@pytest.mark.parametrize("body", ["{}", "[]", "hello", '{"Type": "SubscriptionConfirmation"}'])
def test_no_envelope(body: str) -> None:
    """A subscription with raw delivery cannot be told from anything else."""
    with pytest.raises(ValueError, match=r"must be an envelope of SNS|Expecting value"):
        sns_event(body, "s")


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (None, ["0", "1", "2"]),
        ({}, ["0", "1", "2"]),
        ({"batchItemFailures": []}, ["0", "1", "2"]),
        ({"batchItemFailures": [{"itemIdentifier": "1"}]}, ["0", "2"]),
        ({"batchItemFailures": [{"itemIdentifier": "9"}]}, []),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, []),
        ({"batchItemFailures": [{"bad": "1"}]}, []),
        ({"batchItemFailures": "1"}, []),
    ],
)
def test_what_is_settled(answer: object, done: list[str]) -> None:
    """As AWS says it: what it cannot understand counts as a failure of all."""
    assert [message["MessageId"] for message in settled(MESSAGES, answer)] == done
