"""The catalog of the benchmarks: one small event, once for each group that is measured."""

from datetime import timedelta
from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, WorkerGroup, seconds


class Order(Payload):
    """About 300 bytes with its envelope; `note` makes it longer, `sent_at` (nanoseconds) tells when it was sent."""

    order_id: str
    customer: str
    cents: int
    sent_at: int = 0
    note: str = ""


class OrderPlaced(Order):
    """Gets a row of its own."""

    event_type: ClassVar[str] = "order.placed"


class OrderBooked(Order):
    """Gets a row of its own, by a batch handler."""

    event_type: ClassVar[str] = "order.booked"


class OrderSeen(Order):
    """Gets nothing but its row in the inbox."""

    event_type: ClassVar[str] = "order.seen"


class OrderShown(Order):
    """Leaves nothing, not even a row in the inbox: its group says that it is idempotent."""

    event_type: ClassVar[str] = "order.shown"


class OrderPacked(Order):
    """Gets a row of its own, by a handler that may take long: its group has no lane."""

    event_type: ClassVar[str] = "order.packed"


class OrderFiled(Order):
    """Is published only: nobody runs its group."""

    event_type: ClassVar[str] = "order.filed"


#: Which group gets which event.
GROUPS: dict[str, type[Order]] = {
    "with-effect": OrderPlaced,
    "batch-effect": OrderBooked,
    "inbox-only": OrderSeen,
    "no-record": OrderShown,
    "in-pool": OrderPacked,
    "unread": OrderFiled,
}


def _longest(group: str) -> timedelta:
    """Handlers that may run for more than half a second have a pool only."""
    return seconds(60) if group == "in-pool" else seconds(0.1)


CATALOG = Catalog(
    events=[Event(payload) for payload in GROUPS.values()],
    groups=[
        WorkerGroup(
            name,
            handles=[payload],
            longest_runtime=_longest(name),
            replicas=(1, 8),
            idempotent=name == "no-record",
        )
        for name, payload in GROUPS.items()
    ],
)
