"""Whether an event from outside is taken, and what is sent of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from millrace import names
from millrace.declarations import Catalog
from millrace.envelope import Envelope
from millrace.errors import InvalidEvent
from millrace.publishing.message import Message, event_message

from workers.admission import NotPublic, cause_of, opened
from workers.ingress.reasons import arrived, rejection
from workers.notification import Notification
from workers.outgoing import Failure

_THROUGH_THIS_DOOR = {names.DOOR_HEADER: "in"}


class Prepared(NamedTuple):
    """What is sent for an SQS message: the event, or a letter with its cause and error."""

    message: Message
    cause: str | None = None
    error: str | None = None


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
        notification = arrived(message, queue)
        try:
            return Prepared(replace(event_message(self.checked(notification)), headers=_THROUGH_THIS_DOOR))
        except InvalidEvent as error:
            failure = Failure(cause=cause_of(error, notification), error=str(error))
            return Prepared(rejection(message, queue, failure, expected), failure.cause, failure.error)

    def checked(self, notification: Notification) -> Envelope:
        """The event's envelope, as workers will read it; raises InvalidEvent that names the field."""
        envelope, _ = opened(notification, self._catalog)
        if envelope.type not in self._public:
            raise NotPublic("type", f"must be a public event type, got {envelope.type!r}")
        return envelope
