"""What a worker sends back to the broker: an event to its delay, a message to the dead letters of its group."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from millrace import names
from millrace.envelope import MAX_ID_LENGTH, Envelope
from millrace.publishing.message import Message

from workers.received import GENERATION_HEADER
from workers.storable import storable

CAUSE_HEADER = "x-millrace-cause"
LETTER_HEADER = "x-millrace-letter"
#: On a rejected letter: the source of an event whose bytes name none.
SOURCE_HEADER = "x-millrace-source"
#: On what waits for another try: a worker may have begun it. Only groups' users can write to the delays.
BEGUN_HEADER = "x-millrace-begun"
#: The causes of a handler's own failure.
PERMANENT, EXHAUSTED = "permanent", "attempts exhausted"
#: A stack is cut to its end, where the error is; AMQP headers must fit one frame.
MAX_STACK = 8_000
MAX_ERROR = 1_000


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a message becomes a dead letter: cause in one of a few words, the error, where known the stack."""

    cause: str
    error: str
    stack: str | None = None
    attempts: int = 0
    worker: str = ""


def short_id(text: str) -> str:
    """The id, cut to what an AMQP short string surely holds (255 bytes)."""
    return text.encode("utf-8", "replace")[:MAX_ID_LENGTH].decode("utf-8", "ignore")


def delayed(envelope: Envelope, group: str, *, seconds: int, generation: int, begun: bool) -> Message:
    """The event again, to come back to this group only after so many seconds (at least 1).

    `begun` says that a worker may have begun it: it may be what ended that worker.
    """
    return Message(
        exchange=names.DELAY,
        routing_key=names.delayed_key(seconds, names.group_key(group)),
        body=envelope.to_bytes(),
        message_id=envelope.id,
        headers={**_generation(generation), **({BEGUN_HEADER: True} if begun else {})},
    )


def _generation(generation: int) -> dict[str, Any]:
    return {GENERATION_HEADER: generation} if generation else {}


def event_letter(envelope: Envelope, group: str, failure: Failure, *, generation: int, fingerprint: str) -> Message:
    """An event's dead letter; sent twice, it is recognized as the same."""
    return dead_letter(
        group,
        failure,
        body=envelope.to_bytes(),
        content_type="application/cloudevents+json",
        message_id=envelope.id,
        headers=_generation(generation),
        letter_key=event_letter_key(envelope, group, failure, generation=generation, fingerprint=fingerprint),
    )


def event_letter_key(envelope: Envelope, group: str, failure: Failure, *, generation: int, fingerprint: str) -> str:
    """What tells an event's dead letter from every other: the same for the same end of the same event.

    A permanent failure that was sent but not recorded is found later with no attempt left: it is the same end.
    """
    end = EXHAUSTED if failure.cause == PERMANENT else failure.cause
    known = json.dumps([group, envelope.source, envelope.id, fingerprint, generation, end])
    return hashlib.sha256(known.encode()).hexdigest()


def dead_letter(
    group: str,
    failure: Failure,
    *,
    body: bytes,
    content_type: str | None,
    message_id: str,
    headers: Mapping[str, Any],
    letter_key: str,
) -> Message:
    """The same bytes, to the dead letters of a group, with the reason in headers."""
    return Message(
        exchange=names.DEAD,
        routing_key=names.group_key(group),
        body=body,
        message_id=message_id,
        content_type=content_type or "application/octet-stream",
        headers={**headers, **_reason(failure, letter_key)},
    )


def rejected_letter(
    failure: Failure,
    *,
    body: bytes,
    routing_key: str,
    message_id: str,
    source: str | None,
    headers: Mapping[str, Any],
    letter_key: str,
) -> Message:
    """The bytes as they came to one of the doors, to the rejected letters; `source` is that of an event without one."""
    from_where = {SOURCE_HEADER: source} if source else {}
    return Message(
        exchange=names.REJECTED,
        routing_key=routing_key,
        body=body,
        message_id=message_id,
        content_type="application/octet-stream",
        headers={**headers, **from_where, **_reason(failure, letter_key)},
    )


def _reason(failure: Failure, letter_key: str) -> dict[str, Any]:
    return {
        CAUSE_HEADER: failure.cause,
        LETTER_HEADER: letter_key,
        "x-millrace-error": storable(failure.error[:MAX_ERROR]),
        "x-millrace-stack": storable((failure.stack or "")[-MAX_STACK:]),
        "x-millrace-attempts": failure.attempts,
        "x-millrace-worker": failure.worker,
    }
