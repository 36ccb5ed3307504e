"""What SNS and SQS hand over, read in one way: the event's bytes, its id and its source; nothing is looked up here.

The id is the producer's (that of an envelope, or the message attribute `id`), else SNS's MessageId, which every
redelivery bears again; what came to a queue without SNS and without an id has none.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from millrace.declarations import Catalog
from millrace.envelope import MAX_BYTES, Envelope, from_plain, open_payload, parse_object
from millrace.errors import InvalidEvent

from workers.received import GENERATION_HEADER, MAX_GENERATION, SURELY_FITS, Received

ID_ATTRIBUTE = "id"
#: Of a replay, set by who sends to a queue itself: what comes through a topic has none.
GENERATION_ATTRIBUTE = "generation"
TRACE_ATTRIBUTE = "traceparent"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, kw_only=True)
class Notification:
    """An event as it came; `source` is that of an event that does not name its own."""

    body: bytes
    id: str | None
    source: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    #: the type that is named outside the body
    type: str | None = None
    generation: int = 0


def from_sns(message: Mapping[str, Any]) -> Notification:
    """Of SNS's own record: in a Lambda event `Records[].Sns`, in SQS the body's JSON."""
    attributes = texts(message.get("MessageAttributes"))
    topic = _last(str(message.get("TopicArn", "")))
    return Notification(
        body=str(message.get("Message", "")).encode("utf-8", "surrogatepass"),
        id=attributes.get(ID_ATTRIBUTE) or message.get("MessageId") or None,
        source=f"/sns/{topic}",
        attributes=attributes,
    )


def from_sqs(body: str, queue: str, attributes: Mapping[str, Any] | None = None) -> Notification:
    """Of a message of SQS: SNS's envelope in it, or the event itself (raw delivery, or sent to the queue).

    `queue` is its name or ARN. Raises InvalidEvent if the generation of a replay is none.
    """
    envelope = _sns_envelope(body)
    if envelope is not None:
        return from_sns(envelope)
    known = texts(attributes)
    return Notification(
        body=body.encode("utf-8", "surrogatepass"),
        id=known.get(ID_ATTRIBUTE),
        source=f"/sqs/{_last(queue)}",
        attributes=known,
        generation=_generation(known),
    )


def texts(attributes: Mapping[str, Any] | None) -> dict[str, str]:
    """The text attributes of a message, as SNS, SQS or Lambda spell them."""
    found: dict[str, str] = {}
    for name, typed in (attributes or {}).items():
        if isinstance(typed, Mapping):
            value = typed.get("Value", typed.get("StringValue", typed.get("stringValue")))
            if isinstance(value, str):
                found[name] = value
    return found


def received(notification: Notification, catalog: Catalog) -> Received:
    """Check the event of a notification: size, JSON, shape, contract; raises InvalidEvent with the field and why."""
    fields = parse_object(notification.body)
    if "specversion" in fields:
        envelope = Envelope.from_fields(fields)
    else:
        body = notification.body
        if notification.type is not None and "eventType" not in fields:
            body = json.dumps({"eventType": notification.type, **fields}).encode()
        if not notification.id:
            raise InvalidEvent("id", "no id: must be in the envelope, or in the message attribute `id`")
        envelope = from_plain(body, id=notification.id, source=notification.source, catalog=catalog)
    payload = open_payload(envelope, catalog)
    own: dict[str, str] = {}
    if envelope.type != payload.event_type:  # it came under an alias
        own["type"] = payload.event_type
    trace = notification.attributes.get(TRACE_ATTRIBUTE, "")
    if envelope.traceparent is None and _TRACEPARENT.fullmatch(trace):
        own["traceparent"] = trace
    if own:
        envelope = envelope.model_copy(update=own)
    if len(notification.body) > SURELY_FITS:
        envelope.to_bytes()  # it grows when it is written anew
    return Received(envelope=envelope, payload=payload, generation=notification.generation)


def _sns_envelope(body: str) -> Mapping[str, Any] | None:
    """What SNS wraps a message in; None for any other text."""
    if not body.lstrip().startswith("{") or len(body) > 8 * MAX_BYTES:
        return None
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    if fields.get("Type") != "Notification" or "specversion" in fields or "eventType" in fields:
        return None
    whole = all(isinstance(fields.get(name), str) for name in ("Message", "MessageId", "TopicArn"))
    return fields if whole else None


def _generation(attributes: Mapping[str, str]) -> int:
    text = attributes.get(GENERATION_ATTRIBUTE, "0")
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(MAX_GENERATION)) or int(text) > MAX_GENERATION:
        raise InvalidEvent(GENERATION_HEADER, f"must be a number from 0 to {MAX_GENERATION}")
    return int(text)


def _last(name: str) -> str:
    """A topic's or a queue's name, of its ARN."""
    return name.rpartition(":")[2]
