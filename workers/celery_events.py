"""Celery's own events as JSON: Python's encoder cost more than all else about them."""

from typing import Any

import pydantic_core
from kombu.serialization import register

#: of the serializer, for Celery's setting `event_serializer`
SERIALIZER = "millrace-events"


def register_serializer() -> None:
    """Make the serializer known to kombu; what it writes is read as any JSON is."""
    register(SERIALIZER, _encode, None, "application/json")


def _encode(events: Any) -> bytes:
    return pydantic_core.to_json(events)
