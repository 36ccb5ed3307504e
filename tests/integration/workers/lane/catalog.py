"""A catalog for the tests of the lane: short handlers that behave as the event says."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds


class ParcelSeen(Payload):
    """What the test's groups handle."""

    event_type: ClassVar[str] = "parcel.seen"
    name: str
    how: str = "well"


class ParcelWeighed(Payload):
    """What a handler takes many of at once."""

    event_type: ClassVar[str] = "parcel.weighed"
    name: str
    how: str = "well"


class ParcelGauged(Payload):
    """What a group handles that keeps no record."""

    event_type: ClassVar[str] = "parcel.gauged"
    name: str
    how: str = "well"


class ParcelSorted(Payload):
    """Published by a handler; no group takes it."""

    event_type: ClassVar[str] = "parcel.sorted"
    name: str


_SOON = Retry(attempts=2, delay=seconds(1), factor=1, jitter=0)

CATALOG = Catalog(
    events=[Event(ParcelSeen), Event(ParcelWeighed), Event(ParcelGauged), Event(ParcelSorted)],
    groups=[
        WorkerGroup("belt", handles=[ParcelSeen, ParcelWeighed], longest_runtime=seconds(0.2), retry=_SOON),
        WorkerGroup("gauge", handles=[ParcelGauged], longest_runtime=seconds(0.2), retry=_SOON, idempotent=True),
    ],
    services=[Service("web"), Service("office", celery=True)],
)
