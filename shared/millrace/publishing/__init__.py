"""The client that services use: publish confirmed events, or write them to an outbox in their own transaction."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millrace.publishing.async_publisher import AsyncPublisher
    from millrace.publishing.outbox import Outbox
    from millrace.publishing.publisher import Publisher
    from millrace.publishing.sns import SnsPublisher

__all__ = ["AsyncPublisher", "Outbox", "Publisher", "SnsPublisher"]

#: Imported when first asked for: they need AMQP, SQLAlchemy (millrace[outbox]), boto3 (millrace[sns]), asyncio.
_LATER = {
    "AsyncPublisher": "async_publisher",
    "Outbox": "outbox",
    "Publisher": "publisher",
    "SnsPublisher": "sns",
}


def __getattr__(name: str) -> object:
    """The publishers that are imported later."""
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
