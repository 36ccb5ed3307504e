"""A catalog for tests: groups that fail in every way a team meets, beside one that never does."""

from dataclasses import replace
from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds


class OrderPlaced(Payload):
    """What most test groups handle."""

    event_type: ClassVar[str] = "order.placed"
    order_id: str
    how: str = "well"


class OrderShipped(Payload):
    """Published by a handler; no group takes it."""

    event_type: ClassVar[str] = "order.shipped"
    order_id: str


class LedgerCheck(Payload):
    """The ledger group's own task."""

    event_type: ClassVar[str] = "ledger.check"
    order_id: str


_SOON = Retry(attempts=3, delay=seconds(1), factor=1, jitter=0)
_ONCE_MORE = Retry(attempts=2, delay=seconds(1), factor=1, jitter=0)

CATALOG = Catalog(
    events=[Event(OrderPlaced, aliases=["ORDER"]), Event(OrderShipped)],
    groups=[
        WorkerGroup("ledger", handles=[OrderPlaced], tasks=[LedgerCheck], longest_runtime=seconds(1), retry=_SOON),
        WorkerGroup("flaky", handles=[OrderPlaced], longest_runtime=seconds(1), retry=_SOON),
        WorkerGroup("fragile", handles=[OrderPlaced], longest_runtime=seconds(1), retry=_ONCE_MORE),
    ],
    services=[Service("web"), Service("office", celery=True)],
)

#: The same, with a group for what was parked.
EXTENDED = Catalog(
    events=CATALOG.events,
    groups=[*CATALOG.groups, WorkerGroup("shipping", handles=[OrderShipped], longest_runtime=seconds(1), retry=_SOON)],
    services=CATALOG.services,
)

_GROWING = Retry(attempts=6, delay=seconds(1), factor=2, longest_delay=seconds(8), jitter=0.5)
#: The same, where flaky's retries wait from one second to twelve.
GROWING = Catalog(
    events=CATALOG.events,
    groups=[replace(group, retry=_GROWING) if group.name == "flaky" else group for group in CATALOG.groups],
    services=CATALOG.services,
)
