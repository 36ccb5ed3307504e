"""One AMQP message, and where it goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from millrace import names
from millrace.envelope import CONTENT_TYPE, Envelope


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent, as bytes, and where to; always persistent."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    content_type: str = CONTENT_TYPE
    headers: Mapping[str, Any] = field(default_factory=dict)


def event_message(envelope: Envelope) -> Message:
    """The message that carries an event to the door `in`; raises InvalidEvent beyond 64 KiB."""
    return Message(exchange=names.IN, routing_key=envelope.type, body=envelope.to_bytes(), message_id=envelope.id)
