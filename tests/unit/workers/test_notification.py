"""What SNS and SQS hand over, in every shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from millrace.catalog import CATALOG
from millrace.errors import InvalidEvent, UnknownEventType, UnknownSchemaVersion

from workers.notification import Notification, from_sns, from_sqs, received

TOPIC = "arn:aws:sns:us-east-1:123456789012:MyTopic"
PLAIN = json.dumps({"eventType": "USER_SIGNUP", "userId": "12345"})
CLOUD = json.dumps(
    {"specversion": "1.0", "id": "own", "source": "/shop", "type": "user.signed_up", "data": {"user_id": "12345"}}
)


def envelope(message: str, **more: Any) -> dict[str, Any]:
    """SNS's envelope."""
    return {"Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": message, **more}


def identity(notification: Notification) -> tuple[str, str, str]:
    """What identifies an event, and its type."""
    event = received(notification, CATALOG).envelope
    return event.id, event.source, event.type


def test_plain_through_sns() -> None:
    """SNS's MessageId is its id, the topic its source; the same in a Lambda event and in SQS."""
    expected = ("m-1", "/sns/MyTopic", "user.signed_up")
    assert identity(from_sns(envelope(PLAIN))) == expected
    assert identity(from_sqs(json.dumps(envelope(PLAIN)), "q")) == expected


@pytest.mark.parametrize("name", ["Value", "StringValue", "stringValue"])
def test_the_producers_id(name: str) -> None:
    """It goes before SNS's, however its attribute is spelled."""
    attributes = {"id": {"Type": "String", name: "own"}, "binary": {"Type": "Binary", "BinaryValue": b"x"}}
    assert identity(from_sns(envelope(PLAIN, MessageAttributes=attributes)))[0] == "own"
    assert identity(from_sqs(PLAIN, "arn:aws:sqs:us-east-1:1:q", attributes)) == ("own", "/sqs/q", "user.signed_up")


def test_an_envelope_brings_its_own() -> None:
    """Whatever carried it, id and source are those of CloudEvents."""
    for notification in (from_sns(envelope(CLOUD)), from_sqs(CLOUD, "q"), from_sqs(json.dumps(envelope(CLOUD)), "q")):
        assert identity(notification) == ("own", "/shop", "user.signed_up")


def test_a_trace_beside_the_event() -> None:
    """It is the event's if that has none; what is no trace is not."""
    trace, other = (f"00-{digit * 32}-{digit * 16}-01" for digit in "12")
    for text, expected in ((trace, trace), ("no trace", None)):
        attributes = {"traceparent": {"Type": "String", "Value": text}}
        came = received(from_sns(envelope(PLAIN, MessageAttributes=attributes)), CATALOG)
        assert came.envelope.traceparent == expected
    own = CLOUD.replace('"data"', f'"traceparent":"{other}","data"')
    attributes = {"traceparent": {"Type": "String", "Value": trace}}
    assert received(from_sns(envelope(own, MessageAttributes=attributes)), CATALOG).envelope.traceparent == other


def test_a_plain_event_that_looks_like_sns() -> None:
    """It names a type of the catalog, so it is what it says."""
    odd = json.dumps({**envelope("x"), "eventType": "USER_SIGNUP"})
    with pytest.raises(InvalidEvent, match="no id"):
        received(from_sqs(odd, "q"), CATALOG)


def test_raw_without_an_id() -> None:
    """Nothing would absorb its redelivery."""
    with pytest.raises(InvalidEvent, match="no id"):
        received(from_sqs(PLAIN, "q"), CATALOG)


def test_a_type_outside_the_body() -> None:
    """It counts where the body has none."""
    notification = Notification(body=b'{"userId":"1"}', id="e", source="/eventbridge/x", type="USER_SIGNUP")
    assert identity(notification) == ("e", "/eventbridge/x", "user.signed_up")


@pytest.mark.parametrize("text", ["0", "1", "1000000"])
def test_the_generation_of_a_replay(text: str) -> None:
    """It is believed of a message that was sent to the queue itself."""
    attributes = {"generation": {"DataType": "String", "StringValue": text}}
    assert from_sqs(CLOUD, "q", attributes).generation == int(text)
    assert from_sns(envelope(CLOUD, MessageAttributes=attributes)).generation == 0
    assert from_sqs(json.dumps(envelope(CLOUD)), "q", attributes).generation == 0


@pytest.mark.parametrize("text", ["", "-1", "1000001", "one", "\u0661", "9" * 5000])
def test_no_generation(text: str) -> None:
    """Anything else is said to be wrong."""
    with pytest.raises(InvalidEvent, match="from 0 to 1000000"):
        from_sqs(CLOUD, "q", {"generation": {"DataType": "String", "StringValue": text}})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", InvalidEvent),
        ("[]", InvalidEvent),
        ("[" * 100_000, InvalidEvent),
        ('{"Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": 7}', InvalidEvent),
        ("\ud800", InvalidEvent),
        ('{"eventType": "no.such", "x": 1}', InvalidEvent),
        (CLOUD.replace("user.signed_up", "no.such"), UnknownEventType),
        (CLOUD.replace('"data"', '"dataschema":"urn:millrace:user.signed_up:2","data"'), UnknownSchemaVersion),
        (json.dumps({"eventType": "USER_SIGNUP", "userId": "x" * 70_000}), InvalidEvent),
    ],
)
def test_what_is_wrong(body: str, error: type[InvalidEvent]) -> None:
    """It is an InvalidEvent, whatever it is."""
    with pytest.raises(error):
        received(from_sqs(body, "q"), CATALOG)
