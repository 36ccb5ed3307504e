"""The letters of the AWS door: the bytes as they came, and in headers why and from where."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from millrace.declarations import Catalog
from millrace.envelope import CONTENT_TYPE, from_plain
from millrace.errors import InvalidEvent
from millrace.publishing.message import Message

from workers.filing import MARK
from workers.ingress.shapes import Incoming, claims, text_attributes, unwrap
from workers.outgoing import Failure, dead_letter, rejected_letter, short_id
from workers.received import GENERATION_HEADER, MAX_GENERATION

#: What ended the reader of a message each time, or was never let go by it, lands in a dead-letter queue of AWS.
TOO_OFTEN = "given back too often"
#: What SNS itself could not deliver lands there too, and says why (attributes of a subscription's dead letters).
UNDELIVERED = "not delivered by SNS"


def rejection(incoming: Incoming, cause: str, error: str, expected: str) -> Message:
    """The rejected letter of an event from outside; of one SQS message there is one, however often it is sent."""
    said = claims(incoming)
    where = {"sqs-queue": incoming.queue, "sqs-message-id": incoming.sqs_id, "sns-topic": incoming.topic}
    return rejected_letter(
        Failure(cause=cause, error=error),
        body=incoming.body,
        routing_key=short_id(said.type or expected),
        message_id=short_id(said.id or ""),
        source=incoming.source,
        headers={name: value for name, value in where.items() if value},
        letter_key=_mark("rejected", incoming.sqs_id),
    )


def poison(message: Mapping[str, Any], queue: str, expected: str) -> Message:
    """The rejected letter of what AWS gave up on: before it came to `queue`, or on its way out of it."""
    incoming, given = unwrap(message, queue), text_attributes(message)
    if "ErrorCode" in given:
        told = f"{given['ErrorCode']}: {given.get('ErrorMessage', '')}"
        return rejection(incoming, UNDELIVERED, told, expected)
    return rejection(incoming, TOO_OFTEN, f"{queue} gave it out again and again, it was never let go", expected)


def function_letter(message: Mapping[str, Any], function: str, queue: str, catalog: Catalog) -> Message:
    """The dead letter of a function: what its handler wrote into the attributes, or that AWS gave up on it."""
    incoming, given = unwrap(message, queue), text_attributes(message)
    body, content_type = _as_event(incoming, catalog)
    mark, generation = given.get("letter", ""), _number(given.get("generation"))
    failure = Failure(
        cause=given.get("cause") or TOO_OFTEN,
        error=given.get("error") or f"{queue} gave it out again and again, it was never let go",
        stack=given.get("stack"),
        attempts=_number(given.get("attempts")),
    )
    return dead_letter(
        function,
        failure,
        body=body,
        content_type=content_type,
        message_id=short_id(claims(incoming).id or ""),
        headers={GENERATION_HEADER: generation} if generation else {},
        letter_key=mark if MARK.fullmatch(mark) else _mark(function, incoming.sqs_id),
    )


def _as_event(incoming: Incoming, catalog: Catalog) -> tuple[bytes, str | None]:
    """A plain event as the envelope that keeps its id when it is replayed; anything else as it came.

    Without a time, which it had not: the same message must become the same letter.
    """
    if claims(incoming).cloudevent:
        return incoming.body, CONTENT_TYPE
    try:
        event = from_plain(incoming.body, id=incoming.id, source=incoming.source, catalog=catalog)
        traced = {"time": None, "traceparent": incoming.traceparent}
        return event.model_copy(update=traced).to_bytes(), CONTENT_TYPE
    except InvalidEvent:
        return incoming.body, None


def _mark(where: str, sqs_id: str) -> str:
    return hashlib.sha256(json.dumps(["aws", where, sqs_id]).encode()).hexdigest()


def _number(text: str | None) -> int:
    fits = text is not None and text.isdecimal() and len(text) <= len(str(MAX_GENERATION))
    return min(int(text), MAX_GENERATION) if fits and text is not None else 0
