"""A catalog of one group that sleeps while there is nothing to do."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, Service, WorkerGroup, seconds


class ParcelSent(Payload):
    """What the group handles."""

    event_type: ClassVar[str] = "parcel.sent"
    order_id: str


#: A handler may take long (the gate opens late on a busy machine), and usually does not: what waits decides how many
#: workers there are, not what arrives.
GROUP = WorkerGroup(
    "depot", handles=[ParcelSent], longest_runtime=seconds(60), usual_runtime=seconds(0.25), replicas=(0, 6)
)
CATALOG = Catalog(events=[Event(ParcelSent)], groups=[GROUP], services=[Service("web")])
