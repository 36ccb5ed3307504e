"""The client that services use: publish confirmed events, or write them to an outbox in their own transaction."""

from typing import TYPE_CHECKING

from millrace.publishing.async_publisher import AsyncPublisher
from millrace.publishing.publisher import Publisher

if TYPE_CHECKING:
    from millrace.publishing.outbox import Outbox

__all__ = ["AsyncPublisher", "Outbox", "Publisher"]


def __getattr__(name: str) -> object:
    """Import the outbox when it is first asked for: it needs SQLAlchemy (millrace[outbox]), the publisher does not."""
    if name == "Outbox":
        from millrace.publishing.outbox import Outbox  # noqa: PLC0415

        return Outbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
