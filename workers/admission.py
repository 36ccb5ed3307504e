"""Whether the event of a notification is taken, and in a few words why not: one rule for the ingress and for Lambda."""

import json
from typing import NamedTuple

from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope, parse_object
from millrace.errors import InvalidEvent, TooLarge, UnknownEventType, UnknownSchemaVersion

from workers.notification import Notification
from workers.received import GENERATION_HEADER, MAX_GENERATION, SURELY_FITS, Received, open_event


class NotPublic(InvalidEvent):
    """The event type is one that nobody outside may publish."""


class Claims(NamedTuple):
    """What an event says of itself; nothing of it is checked."""

    type: str | None = None
    id: str | None = None
    cloudevent: bool = False


def opened(notification: Notification, catalog: Catalog) -> tuple[Envelope, Payload]:
    """Check the event of a notification: size, JSON, shape, contract; raises InvalidEvent with the field and why."""
    envelope, payload = open_event(_typed(notification), catalog, id=notification.id, source=notification.source)
    if envelope.traceparent is None and notification.traceparent is not None:
        envelope = envelope.model_copy(update={"traceparent": notification.traceparent})
        if len(notification.body) > SURELY_FITS:
            envelope.to_bytes()  # the trace may be too much
    return envelope, payload


def received(notification: Notification, catalog: Catalog) -> Received:
    """The checked event, with the generation of a replay: of what was sent to a function's own queue. As `opened`."""
    envelope, payload = opened(notification, catalog)
    generation = 0 if notification.generation is None else number(notification.generation)
    if generation is None:
        raise InvalidEvent(GENERATION_HEADER, f"must be a number from 0 to {MAX_GENERATION}")
    return Received(envelope=envelope, payload=payload, generation=generation)


def number(text: str) -> int | None:
    """The number that an attribute is, from 0 to the highest generation; None if it is none."""
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_GENERATION))
    return int(text) if digits and int(text) <= MAX_GENERATION else None


def claims(notification: Notification) -> Claims:
    """Read loosely what the event says of itself, for its letter."""
    try:
        fields = parse_object(notification.body)
    except InvalidEvent:
        return Claims(id=notification.id)
    cloudevent = "specversion" in fields
    type_ = fields.get("type") if cloudevent else fields.get("eventType", notification.type)
    id_ = fields.get("id") if cloudevent else notification.id
    return Claims(
        type=type_ if isinstance(type_, str) and type_ else None,
        id=id_ if isinstance(id_, str) and id_ else None,
        cloudevent=cloudevent,
    )


def cause_of(error: InvalidEvent, notification: Notification) -> str:
    """The few words of a letter for why its event was not taken; what exactly is wrong is the error's to say."""
    match error:
        case TooLarge():
            return "oversized"
        case UnknownEventType():
            return "unknown event type"
        case UnknownSchemaVersion():
            return "unknown dataschema"
        case NotPublic():
            return "not public"
    return "no id" if error.field == "id" and claims(notification).id is None else "invalid"


def _typed(notification: Notification) -> bytes:
    """The bytes, with the type that is named outside of them if they name none."""
    if notification.type is None:
        return notification.body
    fields = parse_object(notification.body)
    if "specversion" in fields or "eventType" in fields:
        return notification.body
    return json.dumps({"eventType": notification.type, **fields}, ensure_ascii=False).encode()
