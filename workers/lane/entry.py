"""One delivery in a lane."""

from dataclasses import dataclass

from kombu.message import Message as IncomingMessage
from millrace import names

from workers.received import Received

#: What comes by another way has come before, or has waited: a retry, an event whose store was out.
_FIRST_WAYS = frozenset({names.IN, names.EVENTS, names.GROUPS})
_DELIVERIES = "x-delivery-count"


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as it came, and the event in it."""

    message: IncomingMessage
    received: Received

    @property
    def key(self) -> tuple[str, str]:
        """What tells its event from others in the group's inbox."""
        return self.received.envelope.source, self.received.envelope.id

    @property
    def fresh(self) -> bool:
        """Whether nobody can have begun its event yet, as far as the message itself tells.

        What a worker may have begun is suspect: it may be what ended that worker. A retry or a replay has its attempts
        on record, so it is claimed before its handler runs.
        """
        delivery = self.message.delivery_info
        return (
            not delivery["redelivered"]
            and not self.message.headers.get(_DELIVERIES)
            and not self.received.generation
            and delivery["exchange"] in _FIRST_WAYS
        )
