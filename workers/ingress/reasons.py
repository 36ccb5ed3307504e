"""The letters of the AWS door: the bytes as they came, and in headers why and from where."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from millrace.declarations import Catalog
from millrace.envelope import CONTENT_TYPE
from millrace.errors import InvalidEvent
from millrace.publishing.message import Message

from workers.admission import claims, number, opened
from workers.filing import MARK
from workers.notification import Notification, from_sqs, texts
from workers.outgoing import Failure, dead_letter, rejected_letter, short_id
from workers.received import GENERATION_HEADER

#: What ended the reader of a message each time, or was never let go by it, lands in a dead-letter queue of AWS.
TOO_OFTEN = "given back too often"
#: What SNS itself could not deliver lands there too, and says why (attributes of a subscription's dead letters).
UNDELIVERED = "not delivered by SNS"


def arrived(message: Mapping[str, Any], queue: str) -> Notification:
    """The event of a message as boto3 gives it; raises nothing, whatever was sent."""
    return from_sqs(str(message.get("Body", "")), queue, message.get("MessageAttributes"))


def rejection(message: Mapping[str, Any], queue: str, failure: Failure, expected: str) -> Message:
    """The rejected letter of an event from outside; of one SQS message there is one, however often it is sent."""
    notification, sqs_id = arrived(message, queue), _sqs_id(message)
    said = claims(notification)
    where = {"sqs-queue": queue, "sqs-message-id": sqs_id, "sns-topic": notification.topic}
    return rejected_letter(
        failure,
        body=notification.body,
        routing_key=short_id(said.type or expected),
        message_id=short_id(said.id or ""),
        source=notification.source,
        headers={name: value for name, value in where.items() if value},
        letter_key=_mark("rejected", sqs_id),
    )


def poison(message: Mapping[str, Any], queue: str, expected: str) -> Message:
    """The rejected letter of what AWS gave up on: before it came to `queue`, or on its way out of it."""
    given = texts(message.get("MessageAttributes"))
    if given.get("ErrorCode"):
        failure = Failure(cause=UNDELIVERED, error=f"{given['ErrorCode']}: {given.get('ErrorMessage', '')}")
    else:
        failure = Failure(cause=TOO_OFTEN, error=_never_let_go(queue))
    return rejection(message, queue, failure, expected)


def function_letter(message: Mapping[str, Any], function: str, queue: str, catalog: Catalog) -> Message:
    """The dead letter of a function: what its handler wrote into the attributes, or that AWS gave up on it."""
    notification, given = arrived(message, queue), texts(message.get("MessageAttributes"))
    body, content_type = _as_event(notification, catalog)
    mark, generation = given.get("letter", ""), number(given.get("generation", ""))
    failure = Failure(
        cause=given.get("cause") or TOO_OFTEN,
        error=given.get("error") or _never_let_go(queue),
        stack=given.get("stack"),
        attempts=number(given.get("attempts", "")) or 0,
    )
    return dead_letter(
        function,
        failure,
        body=body,
        content_type=content_type,
        message_id=short_id(claims(notification).id or ""),
        headers={GENERATION_HEADER: generation} if generation else {},
        letter_key=mark if MARK.fullmatch(mark) else _mark(function, _sqs_id(message)),
    )


def _as_event(notification: Notification, catalog: Catalog) -> tuple[bytes, str | None]:
    """A plain event as the envelope that keeps its id when it is replayed; anything else as it came.

    Without a time, which it had not: the same message must become the same letter.
    """
    if claims(notification).cloudevent:
        return notification.body, CONTENT_TYPE
    try:
        event, _ = opened(notification, catalog)
        return event.model_copy(update={"time": None}).to_bytes(), CONTENT_TYPE
    except InvalidEvent:
        return notification.body, None


def _sqs_id(message: Mapping[str, Any]) -> str:
    return str(message.get("MessageId", ""))


def _never_let_go(queue: str) -> str:
    return f"{queue} gave it out again and again, it was never let go"


def _mark(where: str, sqs_id: str) -> str:
    return hashlib.sha256(json.dumps(["aws", where, sqs_id]).encode()).hexdigest()
