"""One event in a lane."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kombu.message import Message as IncomingMessage
from millrace import names

from workers.lane.deliveries import RawDelivery
from workers.received import Received

#: What comes by another way has come before, or has waited: a retry, an event whose store was out.
FIRST_WAYS = {name.encode(): name for name in (names.IN, names.EVENTS, names.GROUPS)}
_DELIVERIES = "x-delivery-count"


@dataclass(frozen=True)
class Entry:
    """An event that waits for its batch, and the message that brought it, by its tag."""

    tag: int
    received: Received
    raw: RawDelivery | IncomingMessage
    channel: Any = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells its event from others in the group's inbox."""
        return self.received.envelope.source, self.received.envelope.id

    @cached_property
    def message(self) -> IncomingMessage:
        """The message, for Celery."""
        return self.raw.message(self.channel) if isinstance(self.raw, RawDelivery) else self.raw


def is_fresh(message: IncomingMessage, received: Received) -> bool:
    """Whether nobody can have begun an event yet, as far as its message tells.

    What a worker may have begun is suspect: it may be what ended that worker. A retry or a replay has its attempts on
    record, so it is claimed before its handler runs.
    """
    return (
        not message.delivery_info["redelivered"]
        and not message.headers.get(_DELIVERIES)
        and not received.generation
        and message.delivery_info["exchange"] in FIRST_WAYS.values()
    )
