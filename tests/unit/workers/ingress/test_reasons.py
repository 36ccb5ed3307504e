"""The letters of what AWS gave up on, as the keeper files them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from millrace import names
from millrace.envelope import Envelope
from millrace.publishing.message import Message

from tests.strategies import TRUSTED
from tests.unit.workers.ingress.sqs import CATALOG, attributes, by_sns, cloudevent, raw
from tests.unit.workers.ingress.test_checking import ODD_ENVELOPES, PLAIN, QUEUE, SHAPES
from workers.filing import letter_row, mark_of
from workers.ingress.reasons import function_letter, poison
from workers.received import Delivery

DEAD = names.dead_queue("audit")
FUNCTION_QUEUE = "millrace-test-fn-audit"


def row(queue: str, sent: Message) -> dict[str, Any]:
    """As the keeper files it."""
    came = Delivery(sent.body, sent.content_type, sent.headers, {"message_id": sent.message_id})
    return letter_row(queue, sent.routing_key, came, CATALOG, TRUSTED)


def of_function(message: dict[str, Any]) -> dict[str, Any]:
    """The letter of a message in the function's dead-letter queue."""
    sent = function_letter(message, "audit", FUNCTION_QUEUE, CATALOG)
    assert (sent.exchange, sent.routing_key) == (names.DEAD, "group.audit")
    return row(DEAD, sent)


def test_poison_is_rejected_as_given_back_too_often() -> None:
    found = row(names.REJECTED, poison(by_sns(PLAIN), QUEUE, "any.thing"))
    kept = [found[name] for name in ("kind", "cause", "event_id", "source", "type")]
    assert kept == ["rejected", "given back too often", "sns-1", "/sns/MyTopic", "any.thing"]
    assert json.loads(found["body"]) == PLAIN


def test_what_sns_could_not_deliver_says_so() -> None:
    refused = by_sns(PLAIN) | {"MessageAttributes": attributes(ErrorCode="AccessDenied", ErrorMessage="no")}
    found = row(names.REJECTED, poison(refused, QUEUE, "any.thing"))
    assert (found["cause"], found["error"]) == ("not delivered by SNS", "AccessDenied: no")


def test_what_a_function_wrote_is_its_dead_letter() -> None:
    told = attributes(
        cause="permanent", error="no such order", stack="line 7", attempts="3", letter="a" * 64, generation="2"
    )
    found = of_function(raw(cloudevent()) | {"MessageAttributes": told})
    names_ = ("kind", "group_name", "cause", "error", "stack", "attempts", "generation", "event_id", "source")
    kept = [found[name] for name in names_]
    assert kept == ["dead", "audit", "permanent", "no such order", "line 7", 3, 2, "e1", "/shop"]
    assert found["letter_key"] == "a" * 64
    assert json.loads(found["body"]) == cloudevent()


def test_what_lambda_could_not_run_was_given_back_too_often() -> None:
    found = of_function(by_sns(cloudevent()))
    assert (found["cause"], found["attempts"], found["generation"]) == ("given back too often", 0, 0)
    assert json.loads(found["body"]) == cloudevent()


def test_a_plain_event_is_sealed_so_that_a_replay_keeps_its_id() -> None:
    first, again = of_function(by_sns(PLAIN)), of_function(by_sns(PLAIN))
    event = Envelope.from_bytes(first["body"])
    assert (event.id, event.source, event.type) == ("sns-1", "/sns/MyTopic", "any.thing")
    assert (first["event_id"], first["source"]) == (event.id, event.source)
    assert first["body"] == again["body"]
    assert first["letter_key"] == again["letter_key"]


def test_a_plain_event_without_an_id_stays_as_it_came() -> None:
    found = of_function(raw(PLAIN))
    assert json.loads(found["body"]) == PLAIN
    assert found["event_id"] is None


def test_attributes_of_nonsense_are_left_out() -> None:
    told = attributes(attempts="many", generation="9" * 30, letter="../x", cause="c" * 500)
    sent = function_letter(raw("x") | {"MessageAttributes": told}, "audit", FUNCTION_QUEUE, CATALOG)
    found = row(DEAD, sent)
    assert (found["attempts"], found["generation"], found["cause"]) == (0, 0, "c" * 100)
    assert mark_of(DEAD, sent.headers) is not None


@given(message=SHAPES | ODD_ENVELOPES)
def test_whatever_comes_becomes_a_letter_properties(message: dict[str, Any]) -> None:
    assert row(names.REJECTED, poison(message, QUEUE, "any.thing"))["cause"] == "given back too often"
    found = of_function(message)
    assert found == of_function(message)
    assert found["group_name"] == "audit"
