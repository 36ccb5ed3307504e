"""From an SQS message to the event in it: delivered by SNS in an envelope of its own, or raw."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pydantic_core
from millrace.envelope import parse_object
from millrace.errors import InvalidEvent

#: The message attribute that names the event, for a producer of the plain shape that has an id of its own.
ID_ATTRIBUTE = "id"
TRACE_ATTRIBUTE = "traceparent"
_TOPIC_ARN = re.compile(r"arn:[a-z0-9-]+:sns:[a-z0-9-]*:[0-9]*:([A-Za-z0-9_-]{1,256}(?:\.fifo)?)")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Incoming(NamedTuple):
    """An event as it came; `id` is what a plain one is known by, None if nothing names it."""

    body: bytes
    id: str | None
    queue: str
    sqs_id: str
    topic: str | None = None
    traceparent: str | None = None

    @property
    def source(self) -> str:
        """The CloudEvents source of an event that names none."""
        return f"/sns/{self.topic}" if self.topic else f"/sqs/{self.queue}"


class Claims(NamedTuple):
    """What an event says of itself; nothing of it is checked."""

    type: str | None = None
    id: str | None = None
    cloudevent: bool = False


def unwrap(message: Mapping[str, Any], queue: str) -> Incoming:
    """Take the event out of an SQS message; raises nothing, whatever was sent.

    Without an id of the producer's, the plain shape takes the MessageId of SNS: it stays the same when SQS delivers a
    message again. A raw delivery has none that the producer would repeat.
    """
    text, sqs_id = str(message.get("Body", "")), str(message.get("MessageId", ""))
    envelope = _sns_envelope(text)
    if envelope is None:
        given = text_attributes(message)
        return Incoming(_bytes(text), given.get(ID_ATTRIBUTE), queue, sqs_id, None, _trace(given))
    topic = _TOPIC_ARN.fullmatch(envelope["TopicArn"])
    given = _sns_attributes(envelope)
    id_ = given.get(ID_ATTRIBUTE) or envelope["MessageId"]
    return Incoming(
        _bytes(envelope["Message"]), id_ or None, queue, sqs_id, topic.group(1) if topic else None, _trace(given)
    )


def text_attributes(message: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of an SQS message that are text, or a number as text."""
    found = message.get("MessageAttributes") or {}
    return {name: value["StringValue"] for name, value in found.items() if value.get("StringValue")}


def claims(incoming: Incoming) -> Claims:
    """Read loosely what the event says of itself, for its letter."""
    try:
        fields = parse_object(incoming.body)
    except InvalidEvent:
        return Claims(id=incoming.id)
    cloudevent = "specversion" in fields
    type_, id_ = fields.get("type" if cloudevent else "eventType"), fields.get("id") if cloudevent else incoming.id
    return Claims(
        type=type_ if isinstance(type_, str) and type_ else None,
        id=id_ if isinstance(id_, str) and id_ else None,
        cloudevent=cloudevent,
    )


def _sns_envelope(text: str) -> dict[str, Any] | None:
    """The envelope of SNS, None if it is none; it may be larger than an event, for its text is escaped."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        fields = pydantic_core.from_json(text)
    except ValueError:
        return None
    if fields.get("Type") != "Notification" or "specversion" in fields or "eventType" in fields:
        return None
    whole = all(isinstance(fields.get(name), str) for name in ("Message", "MessageId", "TopicArn"))
    return fields if whole else None


def _sns_attributes(envelope: Mapping[str, Any]) -> dict[str, str]:
    found = envelope.get("MessageAttributes")
    if not isinstance(found, dict):
        return {}
    values = {name: value.get("Value") for name, value in found.items() if isinstance(value, dict)}
    return {name: value for name, value in values.items() if isinstance(value, str) and value}


def _trace(given: Mapping[str, str]) -> str | None:
    trace = given.get(TRACE_ATTRIBUTE, "")
    return trace if _TRACEPARENT.fullmatch(trace) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
