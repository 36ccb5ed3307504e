"""Two releases of a catalog: the newer one has another version of an event, and an event more."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds


class Ordered(Payload):
    """An order, as the old release knows it."""

    event_type: ClassVar[str] = "tea.ordered"
    name: str


class OrderedWithMilk(Payload):
    """An order, as the new release knows it."""

    event_type: ClassVar[str] = "tea.ordered"
    schema_version: ClassVar[int] = 2
    name: str
    milk: bool


class Spilled(Payload):
    """Only the new release knows this."""

    event_type: ClassVar[str] = "tea.spilled"
    name: str


def _catalog(*payloads: type[Payload]) -> Catalog:
    kitchen = WorkerGroup("kitchen", handles=payloads, longest_runtime=seconds(1), retry=Retry(attempts=2))
    return Catalog(events=[Event(each) for each in payloads], groups=[kitchen], services=[Service("web")])


OLD = _catalog(Ordered)
NEW = _catalog(OrderedWithMilk, Spilled)
