"""Which events of notifications are taken, and the few words for why others are not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from millrace.envelope import MAX_BYTES, Envelope
from millrace.errors import InvalidEvent

from tests.unit.workers.ingress.sqs import CATALOG, TOPIC, TRACE, cloudevent
from workers.admission import Claims, NotPublic, cause_of, claims, number, opened, received
from workers.notification import Notification, from_sns, from_sqs

PLAIN = {"eventType": "ANY_THING", "text": "t"}


def by_sns(event: dict[str, Any] | str, **attributes: str) -> Notification:
    """An event that came through a topic."""
    typed = {name: {"Type": "String", "Value": value} for name, value in attributes.items()}
    text = event if isinstance(event, str) else json.dumps(event)
    return from_sns({"MessageId": "m-1", "TopicArn": TOPIC, "Message": text, "MessageAttributes": typed})


def straight(event: dict[str, Any] | str, **attributes: str) -> Notification:
    """An event that was sent to a queue."""
    typed = {name: {"dataType": "String", "stringValue": value} for name, value in attributes.items()}
    return from_sqs(event if isinstance(event, str) else json.dumps(event), "q", typed)


def identity(notification: Notification) -> tuple[str, str, str]:
    """What identifies an event, and its type."""
    event, _ = opened(notification, CATALOG)
    return event.id, event.source, event.type


def test_a_plain_event_is_known_by_what_carried_it() -> None:
    """The producer's id before SNS's."""
    assert identity(by_sns(PLAIN)) == ("m-1", "/sns/MyTopic", "any.thing")
    assert identity(by_sns(PLAIN, id="own")) == ("own", "/sns/MyTopic", "any.thing")
    assert identity(straight(PLAIN, id="own")) == ("own", "/sqs/q", "any.thing")


def test_an_envelope_brings_its_own() -> None:
    """Whatever carried it, id and source are those of CloudEvents; an alias becomes its type."""
    for event in (cloudevent(), cloudevent(type="ANY_THING")):
        for notification in (by_sns(event, id="other"), straight(event, id="other"), straight(event)):
            assert identity(notification) == ("e1", "/shop", "any.thing")


def test_a_trace_beside_the_event() -> None:
    """It is the event's if that has none."""
    own = TRACE.replace("a", "c")
    for notification, expected in (
        (by_sns(PLAIN, traceparent=TRACE), TRACE),
        (straight(cloudevent(), traceparent=TRACE), TRACE),
        (straight(cloudevent(traceparent=own), traceparent=TRACE), own),
        (by_sns(PLAIN, traceparent="what"), None),
    ):
        assert opened(notification, CATALOG)[0].traceparent == expected


def test_a_trace_that_is_too_much() -> None:
    """What is taken can be written."""
    base = Envelope.from_fields(cloudevent(data={"text": ""}))
    text = "x" * (MAX_BYTES - len(base.to_bytes()))
    event = Envelope.from_fields(cloudevent(data={"text": text})).to_bytes().decode()
    assert identity(straight(event))[0] == "e1"
    assert refusal(straight(event, traceparent=TRACE)) == "oversized"


def test_a_type_outside_the_body() -> None:
    """It counts where the body has none."""
    told = {"id": "e", "source": "/eventbridge/x", "type": "ANY_THING"}
    for body in ('{"text":"ü"}', '{"text":"ü","eventType":"ANY_THING"}'):
        assert identity(Notification(body=body.encode(), **told)) == ("e", "/eventbridge/x", "any.thing")
    event = json.dumps(cloudevent()).encode()
    assert identity(Notification(body=event, **{**told, "type": "other"})) == ("e1", "/shop", "any.thing")
    large = json.dumps({"text": "ü" * (MAX_BYTES // 2 - 500)}, ensure_ascii=False).encode()
    assert identity(Notification(body=large, **told))[0] == "e"


@pytest.mark.parametrize("text", ["0", "1", "1000000"])
def test_the_generation_of_a_replay(text: str) -> None:
    """It is believed of a message that was sent to the queue itself."""
    assert received(straight(cloudevent(), generation=text), CATALOG).generation == int(text)
    assert received(by_sns(cloudevent(), generation=text), CATALOG).generation == 0
    assert received(straight(cloudevent()), CATALOG).generation == 0


@pytest.mark.parametrize("text", ["", "-1", "1000001", "one", "\u0661", "9" * 5000])
def test_no_generation(text: str) -> None:
    """A function says that anything else is wrong; the ingress does not ask."""
    assert number(text) is None
    wrong = straight(cloudevent(), generation=text)
    with pytest.raises(InvalidEvent, match="from 0 to 1000000") as raised:
        received(wrong, CATALOG)
    assert cause_of(raised.value, wrong) == "invalid"
    assert identity(wrong)[0] == "e1"


def refusal(notification: Notification) -> str:
    """The cause in the letter of an event that is not taken."""
    with pytest.raises(InvalidEvent) as raised:
        opened(notification, CATALOG)
    return cause_of(raised.value, notification)


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        *((text, "invalid") for text in ("", "no json", "[]", "\ud800", "[" * 60_000, "\ufeff{}", '{"eventType":NaN}')),
        ({"text": "t"}, "invalid"),
        ({"eventType": 7}, "invalid"),
        ({**PLAIN, "number": "x"}, "invalid"),
        (json.dumps({**PLAIN, "text": "\ud800"}), "invalid"),
        (json.dumps({**PLAIN, "text": "\ud800"}, ensure_ascii=False), "invalid"),
        (cloudevent(data={"number": "x"}), "invalid"),
        (cloudevent(source=None), "invalid"),
        (cloudevent(id="x" * 201), "invalid"),
        *((cloudevent(id=id_), "no id") for id_ in (None, "", 7)),
        (cloudevent(type="some.thing"), "unknown event type"),
        ({"eventType": "SOME"}, "unknown event type"),
        (cloudevent(dataschema="urn:millrace:any.thing:9"), "unknown dataschema"),
        (cloudevent(data={"text": "x" * MAX_BYTES}), "oversized"),
        ("x" * (MAX_BYTES + 1), "oversized"),
        ({**PLAIN, "text": "x" * (MAX_BYTES - 100)}, "oversized"),
    ],
)
def test_the_cause(event: dict[str, Any] | str, cause: str) -> None:
    """The same by each way, with an attribute `id` or SNS's."""
    for notification in (by_sns(event), straight(event, id="own")):
        assert refusal(notification) == cause


def test_raw_without_an_id() -> None:
    """Nothing would absorb its redelivery; what is worse wrong is told first."""
    assert refusal(straight(PLAIN)) == "no id"
    assert refusal(straight(PLAIN, id="")) == "no id"
    assert refusal(straight({**PLAIN, "eventType": "SOME"})) == "unknown event type"
    assert refusal(straight(PLAIN, id="\ud800")) == "invalid"


def test_what_nobody_outside_may_publish() -> None:
    assert cause_of(NotPublic("type", "must be public"), by_sns(PLAIN)) == "not public"


@pytest.mark.parametrize(
    ("notification", "expected"),
    [
        (by_sns("no json"), Claims(None, "m-1")),
        (straight("no json"), Claims()),
        (straight({**PLAIN, "text": 7}), Claims("ANY_THING")),
        (by_sns({"eventType": 7}, id="own"), Claims(None, "own")),
        (by_sns(cloudevent(id=7, type="")), Claims(None, None, cloudevent=True)),
        (by_sns(cloudevent(data=7)), Claims("any.thing", "e1", cloudevent=True)),
    ],
)
def test_what_an_event_says_of_itself(notification: Notification, expected: Claims) -> None:
    """It is read loosely, for its letter."""
    assert claims(notification) == expected
