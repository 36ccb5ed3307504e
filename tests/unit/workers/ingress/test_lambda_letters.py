"""The dead letters that SNS and Lambda write: of which event, and why."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from millrace import aws_names, names
from millrace.envelope import Envelope

from tests.unit.workers.ingress.sqs import CATALOG, attributes, by_sns, raw
from tests.unit.workers.ingress.test_checking import PLAIN
from tests.unit.workers.ingress.test_reasons import row
from workers.ingress.__main__ import Intakes

FAILED = attributes(RequestID="r1", ErrorCode="200", ErrorMessage="'userId'")


def letter(message: dict[str, Any]) -> dict[str, Any]:
    """As the ingress makes it, and the keeper files it."""
    [intake] = [
        one
        for one in Intakes(CATALOG, "p", (None, None), None).dead()  # type: ignore[arg-type]
        if one.queue.name == aws_names.dead_queue(aws_names.function_queue("p", "audit"))
    ]
    assert isinstance(intake._prepare, partial)
    return row(names.dead_queue("audit"), intake._prepare(message).message)


def called_with(message: dict[str, Any]) -> dict[str, Any]:
    """What Lambda keeps of a call by SNS: the whole event, and why it gave up."""
    sns = json.loads(message["Body"])
    event = {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]}
    return raw(event) | {"MessageAttributes": FAILED}


def test_what_lambda_gave_up_on_is_the_event_with_the_function_s_own_error() -> None:
    found = letter(called_with(by_sns(PLAIN)))
    assert (found["cause"], found["error"]) == ("attempts exhausted", "200: 'userId'")
    event = Envelope.from_bytes(found["body"])
    assert (event.id, event.source, event.type) == ("sns-1", "/sns/MyTopic", "any.thing")
    assert (found["event_id"], found["source"]) == (event.id, event.source)


def test_what_sns_could_not_hand_to_a_function_says_so() -> None:
    found = letter(by_sns(PLAIN) | {"MessageAttributes": attributes(ErrorCode="403", ErrorMessage="not allowed")})
    assert (found["cause"], found["error"], found["event_id"]) == ("not delivered by SNS", "403: not allowed", "sns-1")


def test_other_letters_are_as_before() -> None:
    ours = attributes(cause="permanent", error="no", ErrorCode="x")
    assert letter(by_sns(PLAIN) | {"MessageAttributes": ours})["cause"] == "permanent"
    assert letter(by_sns(PLAIN))["cause"] == "given back too often"
    odd = letter(raw("{" * 100_000) | {"MessageAttributes": FAILED})
    assert (odd["cause"], odd["error"]) == ("not delivered by SNS", "200: 'userId'")
