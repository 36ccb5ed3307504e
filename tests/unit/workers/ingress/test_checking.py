"""Each shape that comes from outside: the event that is sent of it, or the letter and its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace import names
from millrace.envelope import MAX_BYTES, Envelope
from millrace.errors import InvalidEvent

from tests.strategies import ANY_JSON, ANY_TEXT, BODIES, TRUSTED, Free
from tests.unit.workers.ingress.sqs import CATALOG, TRACE, by_sns, cloudevent, raw
from workers.filing import letter_row, mark_of
from workers.ingress.checking import Door, Prepared
from workers.outgoing import CAUSE_HEADER, LETTER_HEADER
from workers.received import GENERATION_HEADER, Delivery, receive

QUEUE = "millrace-test-in-any--thing"
PLAIN = {"eventType": "ANY_THING", "text": "t"}


def prepared(message: dict[str, Any]) -> Prepared:
    """What the door makes of a message."""
    return Door(CATALOG).prepare(message, QUEUE, "any.thing")


def accepted(message: dict[str, Any]) -> Envelope:
    """The event that was accepted."""
    found = prepared(message)
    assert found.cause is None, found.error
    sent = found.message
    assert sent.exchange == names.IN
    envelope = Envelope.from_bytes(sent.body)
    assert (sent.routing_key, sent.message_id) == (envelope.type, envelope.id)
    return envelope


def rejected(message: dict[str, Any]) -> tuple[str | None, str]:
    """Cause and error of what was rejected."""
    found = prepared(message)
    assert found.message.exchange == names.REJECTED
    assert found.message.headers[CAUSE_HEADER] == found.cause
    return found.cause, found.error or ""


@pytest.mark.parametrize("wrap", [raw, by_sns])
def test_a_cloudevent_keeps_its_id_and_source(wrap: Any) -> None:
    envelope = accepted(wrap(cloudevent(traceparent=TRACE), id="other"))
    assert (envelope.id, envelope.source, envelope.traceparent) == ("e1", "/shop", TRACE)


def test_the_guide_s_message_is_known_by_the_message_id_of_sns() -> None:
    envelope = accepted(by_sns(PLAIN))
    assert (envelope.id, envelope.source, envelope.type) == ("sns-1", "/sns/MyTopic", "any.thing")
    assert envelope.data["text"] == "t"


def test_a_raw_plain_event_has_the_producer_s_id_only() -> None:
    envelope = accepted(raw(PLAIN, id="mine"))
    assert (envelope.id, envelope.source) == ("mine", f"/sqs/{QUEUE}")
    assert rejected(raw(PLAIN))[0] == "no id"


def test_a_generation_is_not_asked_for_at_this_door() -> None:
    message = raw(cloudevent(), generation="7")
    assert GENERATION_HEADER not in prepared(message).message.headers
    assert accepted(raw(cloudevent(), generation="x")).id == "e1"


def test_an_alias_becomes_its_type() -> None:
    assert accepted(by_sns(cloudevent(type="ANY_THING"))).type == "any.thing"


@pytest.mark.parametrize(
    ("event", "cause", "error"),
    [
        ("no json", "invalid", "envelope: must be JSON"),
        ("[]", "invalid", "envelope: must be a JSON object"),
        ({"text": "t"}, "invalid", "eventType: must name"),
        ({**PLAIN, "number": "x"}, "invalid", "data.number"),
        (cloudevent(data={"number": "x"}), "invalid", "data.number"),
        (cloudevent(source=None), "invalid", "source: "),
        (cloudevent(id=None), "no id", "id: "),
        (cloudevent(type="some.thing"), "unknown event type", "some.thing"),
        ({"eventType": "SOME"}, "unknown event type", "SOME"),
        (cloudevent(dataschema="urn:millrace:any.thing:9"), "unknown dataschema", "any.thing:9"),
        (cloudevent(type="inner.thing", data={}), "not public", "inner.thing"),
        (cloudevent(type="group.task", data={}), "not public", "group.task"),
        (cloudevent(data={"text": "x" * MAX_BYTES}), "oversized", "at most 65536 bytes"),
    ],
)
def test_what_is_wrong_is_rejected_with_its_reason(event: str | dict[str, Any], cause: str, error: str) -> None:
    found, told = rejected(by_sns(event))
    assert found == cause
    assert error in told


def test_a_plain_event_that_would_be_too_large_as_an_envelope_is_oversized() -> None:
    assert rejected(by_sns({**PLAIN, "text": "x" * (MAX_BYTES - 100)}))[0] == "oversized"


def filed(message: dict[str, Any]) -> dict[str, Any]:
    """The row of the letter that the keeper makes of a rejected message."""
    sent = prepared(message).message
    came = Delivery(sent.body, sent.content_type, sent.headers, {"message_id": sent.message_id})
    return letter_row(names.REJECTED, sent.routing_key, came, CATALOG, TRUSTED)


def test_a_letter_says_where_it_came_from_and_keeps_the_bytes() -> None:
    event = json.dumps({**PLAIN, "number": "x"})
    row = filed(by_sns(event, id="mine"))
    kept = {name: row[name] for name in ("kind", "cause", "event_id", "source", "type", "body")}
    assert kept == {
        "kind": "rejected",
        "cause": "invalid",
        "event_id": "mine",
        "source": "/sns/MyTopic",
        "type": "any.thing",
        "body": event.encode(),
    }
    assert row["headers"] == {"sqs-queue": QUEUE, "sqs-message-id": "sqs-1", "sns-topic": "MyTopic"}
    assert row["error"].startswith("data.number")


def test_a_letter_of_bytes_without_a_type_is_of_the_type_that_comes_through_the_queue() -> None:
    row = filed(raw("no json"))
    assert (row["type"], row["event_id"], row["source"]) == ("any.thing", None, f"/sqs/{QUEUE}")


def test_half_a_character_is_refused_and_kept() -> None:
    row = filed(by_sns(json.dumps({**PLAIN, "text": "\ud800"}, ensure_ascii=False)))
    assert (row["cause"], row["event_id"], row["source"]) == ("invalid", "sns-1", "/sns/MyTopic")
    assert b'"text": "\xed\xa0\x80"' in row["body"]


def test_one_sqs_message_is_one_letter_and_another_another() -> None:
    bad = by_sns("no json")
    first, again = prepared(bad).message, prepared(bad).message
    other = prepared({**bad, "MessageId": "sqs-2"}).message
    marks = [mark_of(names.REJECTED, message.headers) for message in (first, again, other)]
    assert None not in marks
    assert marks[0] == marks[1] != marks[2]


def test_the_mark_is_believed_where_only_we_write() -> None:
    headers = prepared(raw("no json")).message.headers
    assert mark_of(names.REJECTED, headers) == headers[LETTER_HEADER]
    assert mark_of(names.PARKED, headers) is None
    assert mark_of(names.REJECTED, {**headers, "x-death": []}) is None


TEXTS = BODIES.map(lambda body: body.decode("utf-8", "replace")) | ANY_TEXT
ATTRIBUTES = st.dictionaries(st.sampled_from(["id", "traceparent", "other"]), ANY_TEXT.filter(bool), max_size=2)
SHAPES = st.builds(lambda text, given, wrap: wrap(text, **given), TEXTS, ATTRIBUTES, st.sampled_from([raw, by_sns]))
ODD_ENVELOPES = st.fixed_dictionaries(
    {"Type": st.just("Notification")},
    optional=dict.fromkeys(("MessageId", "TopicArn", "Message", "MessageAttributes"), ANY_JSON),
).map(raw)


@given(message=SHAPES | ODD_ENVELOPES)
def test_whatever_comes_is_accepted_or_rejected_properties(message: dict[str, Any]) -> None:
    """What is accepted, a worker reads; what is rejected becomes a letter with a reason and the same bytes."""
    found = prepared(message)
    sent = found.message
    assert len(sent.routing_key.encode()) <= 255
    assert len(sent.message_id.encode()) <= 255
    if found.cause is None:
        received = receive(Delivery(sent.body, sent.content_type, sent.headers, {}), CATALOG, TRUSTED)
        assert isinstance(received.payload, Free)
        assert received.envelope.type == "any.thing"
        return
    assert found.error
    came = Delivery(sent.body, sent.content_type, sent.headers, {"message_id": sent.message_id})
    row = letter_row(names.REJECTED, sent.routing_key, came, CATALOG, TRUSTED)
    assert row["body"] == sent.body
    assert row["cause"] == found.cause


def test_a_mistake_of_ours_is_no_reason_to_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Door, "checked", fails)
    with pytest.raises(RuntimeError) as raised:
        prepared(raw(cloudevent()))
    assert not isinstance(raised.value, InvalidEvent)
