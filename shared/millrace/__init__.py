"""What services and workers agree on: events, envelope, names and topology of Millrace."""

from millrace.declarations import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds
from millrace.envelope import Envelope, seal
from millrace.errors import Discard, InvalidEvent, MillraceError, NotDone, Permanent, PublishError, Retryable

__all__ = [
    "Catalog",
    "Discard",
    "Envelope",
    "Event",
    "InvalidEvent",
    "MillraceError",
    "NotDone",
    "Payload",
    "Permanent",
    "PublishError",
    "Retry",
    "Retryable",
    "Service",
    "WorkerGroup",
    "seal",
    "seconds",
]
