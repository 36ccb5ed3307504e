"""The catalog of the benchmarks: one small event, a group for each thing that is measured."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, WorkerGroup, seconds


class OrderPlaced(Payload):
    """About 250 bytes with its envelope."""

    event_type: ClassVar[str] = "order.placed"
    order_id: str
    customer: str
    cents: int


CATALOG = Catalog(
    events=[Event(OrderPlaced)],
    groups=[
        WorkerGroup(name, handles=[OrderPlaced], longest_runtime=seconds(0.1)) for name in ("with-effect", "inbox-only")
    ],
)
