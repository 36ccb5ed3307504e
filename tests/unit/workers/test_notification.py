"""What SNS and SQS hand over, in every shape."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace.envelope import MAX_BYTES

from tests.strategies import ANY_JSON, ANY_TEXT
from tests.unit.workers.ingress.sqs import TOPIC, TRACE
from workers.notification import Notification, from_sns, from_sqs, texts

PLAIN = json.dumps({"eventType": "ANY_THING", "text": "t"})


def envelope(message: str = PLAIN, **more: Any) -> dict[str, Any]:
    """SNS's envelope."""
    return {"Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": message, **more}


def by_sns(message: str = PLAIN, **more: Any) -> Notification:
    """A message in SQS that SNS has delivered."""
    return from_sqs(json.dumps(envelope(message, **more)), "q")


def is_raw(body: str) -> bool:
    """Whether a body is taken for the event itself."""
    found = from_sqs(body, "q")
    if found.topic is None:
        assert (found.source, found.body) == ("/sqs/q", body.encode("utf-8", "surrogatepass"))
    return found.topic is None


def test_through_sns() -> None:
    """SNS's MessageId is its id, the topic its source; the same in a Lambda event and in SQS."""
    found = from_sns(envelope())
    assert (found.id, found.source, found.topic) == ("m-1", "/sns/MyTopic", "MyTopic")
    assert found.body == PLAIN.encode()
    assert by_sns() == found


@pytest.mark.parametrize("queue", ["q", "arn:aws:sqs:us-east-1:1:q"])
def test_sent_to_a_queue(queue: str) -> None:
    """The queue is its source, nothing names it."""
    found = from_sqs(PLAIN, queue)
    assert (found.id, found.source, found.topic, found.body) == (None, "/sqs/q", None, PLAIN.encode())


@pytest.mark.parametrize("space", ["", " ", "\n\t\r  "])
def test_white_space_around_an_envelope(space: str) -> None:
    """JSON allows it, and it makes an envelope no event."""
    assert from_sqs(f"{space}{json.dumps(envelope())}{space}", "q") == from_sns(envelope())
    assert from_sqs(json.dumps(envelope(f"{space}{PLAIN}")), "q").body == f"{space}{PLAIN}".encode()


@pytest.mark.parametrize(
    "body",
    [
        *(json.dumps(envelope() | {name: 7}) for name in ("MessageId", "TopicArn", "Message", "Type")),
        *(json.dumps({k: v for k, v in envelope().items() if k != name}) for name in envelope()),
        *(json.dumps(envelope(TopicArn=arn)) for arn in ("nonsense", "arn:aws:sqs:us-east-1:1:q", f"{TOPIC}/x", "")),
        *(json.dumps(envelope(Type=type_)) for type_ in ("SubscriptionConfirmation", "notification")),
        *(json.dumps([envelope()]), json.dumps(json.dumps(envelope())), f"\ufeff{json.dumps(envelope())}"),
        *("", " ", "{", "[]", "\u00a0{}", "\ud800", "[" * 100_000, '{"a":' * 100_000, f'{{"a":{"9" * 5_000}}}'),
    ],
)
def test_what_is_no_envelope_of_sns(body: str) -> None:
    """It is read as an event, to be judged as that."""
    assert is_raw(body)


@pytest.mark.parametrize("own", [{"eventType": "ANY_THING"}, {"specversion": "1.0"}, {"eventType": None}])
def test_an_event_that_looks_like_sns(own: dict[str, Any]) -> None:
    """It says itself what it is, so a member `Type`, or all of SNS's, hide nothing in it."""
    assert is_raw(json.dumps({**own, "Type": "Notification"}))
    assert is_raw(json.dumps({**envelope(), **own}))


def test_a_topic_of_another_partition_and_kind() -> None:
    """Names are what SNS allows."""
    assert by_sns(TopicArn="arn:aws-cn:sns:cn-north-1:1:a_b-C.fifo").source == "/sns/a_b-C.fifo"


def test_an_envelope_without_an_id() -> None:
    """Nothing names its event but the attribute."""
    assert by_sns(MessageId="").id is None
    assert by_sns(MessageId="", MessageAttributes={"id": {"Type": "String", "Value": "own"}}).id == "own"


@pytest.mark.parametrize("name", ["Value", "StringValue", "stringValue"])
def test_the_producers_id(name: str) -> None:
    """It goes before SNS's, however its attribute is spelled; an empty one is none."""
    attributes = {"id": {"Type": "String", name: "own"}, "binary": {"Type": "Binary", "BinaryValue": b"x"}}
    assert from_sns(envelope(MessageAttributes=attributes)).id == "own"
    assert by_sns(MessageAttributes={"id": {"Type": "String", name: "own"}}).id == "own"
    assert from_sqs(PLAIN, "q", attributes).id == "own"
    empty = {"id": {name: ""}}
    assert (from_sqs(PLAIN, "q", empty).id, from_sns(envelope(MessageAttributes=empty)).id) == (None, "m-1")


def test_what_is_no_text_is_no_attribute() -> None:
    """SNS gives bytes as base64 under the name that text has."""
    given = {"a": {"Type": "Binary", "Value": "b3du"}, "b": {"Value": 7}, "c": "x", "d": {"DataType": "Binary"}}
    assert texts({**given, "n": {"DataType": "Number", "StringValue": "7"}}) == {"n": "7"}
    nothings: list[object] = [None, {}, [], [1], "x", 7]
    for nothing in nothings:
        assert texts(nothing) == {}


def test_a_trace_beside_the_event() -> None:
    """What is no trace is none."""
    for text, expected in ((TRACE, TRACE), ("no trace", None), (f"{TRACE}\n", None), (TRACE.upper(), None), ("", None)):
        attributes = {"traceparent": {"Type": "String", "Value": text}}
        assert from_sns(envelope(MessageAttributes=attributes)).traceparent == expected
        assert from_sqs(PLAIN, "q", attributes).traceparent == expected


def test_the_generation_of_a_replay() -> None:
    """It is read of a message that was sent to the queue itself, and of no other."""
    attributes = {"generation": {"DataType": "String", "StringValue": "1"}}
    assert from_sqs(PLAIN, "q", attributes).generation == "1"
    assert from_sqs(PLAIN, "q").generation is None
    assert from_sns(envelope(MessageAttributes=attributes)).generation is None
    assert from_sqs(json.dumps(envelope(MessageAttributes=attributes)), "q", attributes).generation is None


def test_half_a_character_stays_one() -> None:
    """Replaced by another, a wrong event would be taken for a good one."""
    for found in (from_sqs("\ud800", "q"), by_sns("\ud800"), from_sns(envelope("\ud800"))):
        assert found.body == b"\xed\xa0\x80"


def test_an_envelope_may_be_larger_than_an_event() -> None:
    """Its text is escaped; but what can hold no good event is not parsed."""
    text = '"' * MAX_BYTES
    assert len(json.dumps(envelope(text))) > 2 * MAX_BYTES
    assert by_sns(text).body == text.encode()
    assert is_raw(json.dumps(envelope("x" * 8 * MAX_BYTES)))


ODD = st.fixed_dictionaries(
    {"Type": st.just("Notification")},
    optional=dict.fromkeys(("MessageId", "TopicArn", "Message", "MessageAttributes"), ANY_JSON | st.just(TOPIC)),
).map(json.dumps)


@given(body=ANY_TEXT | ODD, attributes=ANY_JSON)
def test_whatever_comes_is_read_properties(body: str, attributes: Any) -> None:
    """Nothing raises; what has no topic is as it came."""
    found = from_sqs(body, "q", attributes)
    assert found.source == (f"/sns/{found.topic}" if found.topic else "/sqs/q")
    assert found.topic or found.body == body.encode("utf-8", "surrogatepass")


def test_it_needs_no_broker_and_no_database() -> None:
    """Lambda loads it at each start."""
    heavy = ("celery", "kombu", "amqp", "sqlalchemy", "boto3", "prometheus_client")
    code = f"import sys, workers.admission; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
