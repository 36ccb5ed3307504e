"""A catalog of BENCH_TYPES event types, all handled by one group."""

import os
from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, WorkerGroup, seconds

GROUP = "many"


def catalog_of(types: int) -> Catalog:
    """A catalog of so many event types."""
    payloads = [_payload(number) for number in range(types)]
    group = WorkerGroup(GROUP, handles=payloads, longest_runtime=seconds(0.1))
    return Catalog(events=[Event(payload) for payload in payloads], groups=[group])


def _payload(number: int) -> type[Payload]:
    fields = {"order_id": str, "customer": str, "cents": int, "event_type": ClassVar[str]}
    members = {"__doc__": "One of many.", "__annotations__": fields, "__module__": __name__}
    return type(f"Order{number}", (Payload,), {**members, "event_type": f"order.kind_{number}"})


CATALOG = catalog_of(int(os.environ.get("BENCH_TYPES", "10")))
