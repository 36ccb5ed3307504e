"""One event in a lane."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kombu.message import Message as IncomingMessage
from millrace import names

from workers.lane.deliveries import RawDelivery
from workers.outgoing import BEGUN_HEADER
from workers.received import Received

#: What comes by these has not been here before.
FIRST_WAYS = {name.encode(): name for name in (names.IN, names.EVENTS, names.GROUPS)}
#: What comes by these has waited: until it was due, for the store, or for its next attempt.
_DELAYED_WAYS = frozenset({names.DELAY_EXIT, *map(names.delay_level, range(names.DELAY_LEVELS))})
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
    headers = message.headers or {}
    if message.delivery_info.get("redelivered") or headers.get(_DELIVERIES) or received.generation:
        return False
    exchange = message.delivery_info.get("exchange")
    return exchange in FIRST_WAYS.values() or (exchange in _DELAYED_WAYS and BEGUN_HEADER not in headers)
