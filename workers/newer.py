"""What only another release of this group may know: in a rollout old and new workers run side by side.

Such a message waits in the broker, its bytes unchanged, until a worker that knows it takes it or no rollout can last
so long. How often it has waited is in a header that only the group's own workers can set: what came through the door
`in` has not waited, whatever it says.
"""

import re
from dataclasses import dataclass

from millrace import names
from millrace.declarations import Catalog, WorkerGroup
from millrace.derived import ROLLOUT_WAITS, rollout_pause
from millrace.envelope import CONTENT_TYPE
from millrace.errors import InvalidEvent, UnknownSchemaVersion
from millrace.publishing.message import Message
from millrace.topology import routing_keys

from workers.outgoing import short_id
from workers.received import GENERATION_HEADER, Delivery

WAITS_HEADER = "x-millrace-waits"
_VERSION = re.compile(re.escape(names.dataschema("TYPE", 0)).replace("TYPE", ".+").replace("0", "[1-9][0-9]*"))


@dataclass(frozen=True)
class Newer:
    """Tells what another release may know, and makes the message that waits, for one group."""

    catalog: Catalog
    group: WorkerGroup

    def later(self, delivery: Delivery, routing_key: str, error: InvalidEvent) -> Message | None:
        """The message again, to come back after a while; None if no other release can help, or it waited long enough.

        An event type that this release does not handle is another's if it came by a binding that is another's.
        """
        waits = waited(delivery)
        native = "task" in delivery.headers  # could not be sent on as it came: the broker vouches for its sender
        if native or waits >= ROLLOUT_WAITS or not (waits or self._may_be_known(delivery, routing_key, error)):
            return None
        generation = delivery.headers.get(GENERATION_HEADER)
        known = {GENERATION_HEADER: generation} if generation and delivery.exchange != names.IN else {}
        return Message(
            exchange=names.DELAY,
            routing_key=names.delayed_key(rollout_pause(self.group), names.group_key(self.group.name)),
            body=delivery.body,
            message_id=short_id(str(delivery.properties.get("message_id") or "")),
            content_type=delivery.content_type or CONTENT_TYPE,
            headers={WAITS_HEADER: waits + 1, **known},
        )

    def _may_be_known(self, delivery: Delivery, routing_key: str, error: InvalidEvent) -> bool:
        if isinstance(error, UnknownSchemaVersion):
            return _VERSION.fullmatch(error.dataschema) is not None
        by_their_binding = delivery.exchange == names.IN and routing_key not in routing_keys(self.catalog, self.group)
        return by_their_binding and error.field == "type"


def waited(delivery: Delivery) -> int:
    """How often a message has waited for another release."""
    value = 0 if delivery.exchange == names.IN else delivery.headers.get(WAITS_HEADER, 0)
    return value if isinstance(value, int) and value > 0 else 0
