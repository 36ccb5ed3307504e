"""Whether an event from outside is taken, and what is sent of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from millrace import names
from millrace.declarations import Catalog
from millrace.envelope import Envelope
from millrace.errors import InvalidEvent, TooLarge, UnknownEventType, UnknownSchemaVersion
from millrace.publishing.message import Message, event_message

from workers.ingress.reasons import rejection
from workers.ingress.shapes import Incoming, claims, unwrap
from workers.received import Delivery, receive

_THROUGH_THIS_DOOR = {names.DOOR_HEADER: "in"}


class Prepared(NamedTuple):
    """What is sent for an SQS message: the event, or a letter with its cause and error."""

    message: Message
    cause: str | None = None
    error: str | None = None


class NotPublic(InvalidEvent):
    """The event type is one that nobody outside may publish."""


class Door:
    """Checks what comes in by the catalog: only public event types are taken, by their name or an alias."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._public = frozenset(event.type for event in catalog.events if event.public is not None)

    def prepare(self, message: Mapping[str, Any], queue: str, expected: str) -> Prepared:
        """The event, or its rejected letter; `expected` is the event type that comes through the queue.

        Another public type is taken as well: who may publish to the topic is what AWS decides, and which types may be
        published is what the catalog does.
        """
        incoming = unwrap(message, queue)
        try:
            return Prepared(replace(event_message(self.checked(incoming)), headers=_THROUGH_THIS_DOOR))
        except InvalidEvent as error:
            cause = _cause(error, incoming)
            return Prepared(rejection(incoming, cause, str(error), expected), cause, str(error))

    def checked(self, incoming: Incoming) -> Envelope:
        """The event's envelope, as workers will read it; raises InvalidEvent that names the field."""
        properties = {"message_id": incoming.id} if incoming.id else {}
        came = Delivery(incoming.body, None, {}, properties, names.IN)
        envelope = receive(came, self._catalog, frozenset()).envelope
        if envelope.type not in self._public:
            raise NotPublic("type", f"must be a public event type, got {envelope.type!r}")
        own = {} if claims(incoming).cloudevent else {"source": incoming.source}
        if envelope.traceparent is None and incoming.traceparent is not None:
            own["traceparent"] = incoming.traceparent
        return envelope.model_copy(update=own) if own else envelope


def _cause(error: InvalidEvent, incoming: Incoming) -> str:
    """The few words for why; what exactly is wrong is the error's to say."""
    match error:
        case TooLarge():
            return "oversized"
        case UnknownEventType():
            return "unknown event type"
        case UnknownSchemaVersion():
            return "unknown dataschema"
        case NotPublic():
            return "not public"
    return "no id" if error.field == "id" and claims(incoming).id is None else "invalid"
