"""What SNS and SQS hand over, read in one way by every door: the event's bytes, its id, its source, its trace.

Nothing is looked up here, and nothing raises, whatever was sent: whether the event is taken is workers.admission's.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from millrace.envelope import MAX_BYTES

#: The message attribute that names the event, for a producer of the plain shape that has an id of its own.
ID_ATTRIBUTE = "id"
#: Of a replay, set by who sends to a queue itself: what comes through a topic has none.
GENERATION_ATTRIBUTE = "generation"
TRACE_ATTRIBUTE = "traceparent"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TOPIC_ARN = re.compile(r"arn:[a-z0-9-]+:sns:[a-z0-9-]*:[0-9]*:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
#: The envelope of SNS may be larger than an event, for its text is escaped; what is larger still holds no good event.
_LARGEST_ENVELOPE = 8 * MAX_BYTES


@dataclass(frozen=True, kw_only=True)
class Notification:
    """An event as it came; `id` and `source` are those of an event that does not name its own."""

    body: bytes
    #: the message attribute, else SNS's MessageId: it stays the same however often SQS or Lambda is given the message
    id: str | None
    source: str
    #: the topic that it came through
    topic: str | None = None
    traceparent: str | None = None
    #: the type that is named outside the body
    type: str | None = None
    #: of a replay, as the attribute has it
    generation: str | None = None


def from_sns(message: Mapping[str, Any]) -> Notification:
    """Of SNS's own record: in a Lambda event `Records[].Sns`, in SQS the body's JSON."""
    attributes = texts(message.get("MessageAttributes"))
    topic = _last(str(message.get("TopicArn", "")))
    return Notification(
        body=encoded(str(message.get("Message", ""))),
        id=attributes.get(ID_ATTRIBUTE) or message.get("MessageId") or None,
        source=f"/sns/{topic}",
        topic=topic,
        traceparent=_trace(attributes),
    )


def from_sqs(body: str, queue: str, attributes: Mapping[str, Any] | None = None) -> Notification:
    """Of a message of SQS: SNS's envelope in it, or the event itself (raw delivery, or sent to the queue).

    `queue` is its name or ARN. The MessageId of SQS is no id: it is another one each time a producer sends again.
    """
    envelope = _sns_envelope(body)
    if envelope is not None:
        return from_sns(envelope)
    known = texts(attributes)
    return Notification(
        body=encoded(body),
        id=known.get(ID_ATTRIBUTE) or None,
        source=f"/sqs/{_last(queue)}",
        traceparent=_trace(known),
        generation=known.get(GENERATION_ATTRIBUTE),
    )


def texts(attributes: object) -> dict[str, str]:
    """The message attributes that are text, or a number as text, as SNS, SQS or Lambda spell them."""
    found: dict[str, str] = {}
    for name, typed in attributes.items() if isinstance(attributes, Mapping) else ():
        if isinstance(typed, Mapping) and typed.get("Type") != "Binary":  # SNS gives that in base64, under `Value`
            value = typed.get("Value", typed.get("StringValue", typed.get("stringValue")))
            if isinstance(value, str):
                found[name] = value
    return found


def encoded(text: str) -> bytes:
    """The bytes of a text; a lone surrogate stays one, so that it is refused and not quietly replaced."""
    return text.encode("utf-8", "surrogatepass")


def _sns_envelope(body: str) -> Mapping[str, Any] | None:
    """What SNS wraps a message in; None for any other text, an event with a member `Type` too."""
    if len(body) > _LARGEST_ENVELOPE or not body.lstrip().startswith("{"):
        return None
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if fields.get("Type") != "Notification" or "specversion" in fields or "eventType" in fields:
        return None
    whole = all(isinstance(fields.get(name), str) for name in ("Message", "MessageId", "TopicArn"))
    return fields if whole and _TOPIC_ARN.fullmatch(fields["TopicArn"]) else None


def _trace(attributes: Mapping[str, str]) -> str | None:
    trace = attributes.get(TRACE_ATTRIBUTE, "")
    return trace if _TRACEPARENT.fullmatch(trace) else None


def _last(name: str) -> str:
    """A topic's or a queue's name, of its ARN."""
    return name.rpartition(":")[2]
