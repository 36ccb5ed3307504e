"""The client that services use: publish confirmed events, or write them to an outbox in their own transaction."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millrace.publishing.async_publisher import AsyncPublisher
    from millrace.publishing.outbox import Outbox
    from millrace.publishing.publisher import Publisher

__all__ = ["AsyncPublisher", "Outbox", "Publisher"]

#: Imported when it is first asked for: the outbox needs SQLAlchemy (millrace[outbox]), the others AMQP, one asyncio.
_LATER = {"AsyncPublisher": "async_publisher", "Outbox": "outbox", "Publisher": "publisher"}


def __getattr__(name: str) -> object:
    """The publishers that are imported later."""
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
