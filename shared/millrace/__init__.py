"""What services and workers agree on: events, envelope, names and topology of Millrace."""

from millrace.declarations import (
    Catalog,
    Event,
    LambdaGroup,
    Payload,
    PlainFunction,
    Retry,
    Service,
    Topic,
    WorkerGroup,
    seconds,
)
from millrace.envelope import Envelope, seal
from millrace.errors import Discard, InvalidEvent, MillraceError, NotDone, Permanent, PublishError, Retryable

__all__ = [
    "Catalog",
    "Discard",
    "Envelope",
    "Event",
    "InvalidEvent",
    "LambdaGroup",
    "MillraceError",
    "NotDone",
    "Payload",
    "Permanent",
    "PlainFunction",
    "PublishError",
    "Retry",
    "Retryable",
    "Service",
    "Topic",
    "WorkerGroup",
    "seal",
    "seconds",
]
