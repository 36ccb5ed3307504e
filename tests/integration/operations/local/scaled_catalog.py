"""Groups that sleep: one that has many short events, one whose event takes half a minute, one that keeps memory."""

from datetime import timedelta
from typing import ClassVar

from millrace import Catalog, Event, Payload, Service, WorkerGroup, seconds


class Ticked(Payload):
    """Is handled in some milliseconds."""

    event_type: ClassVar[str] = "scaled.ticked"
    number: int


class Waited(Payload):
    """Is handled in so many seconds."""

    event_type: ClassVar[str] = "scaled.waited"
    seconds: float


class Kept(Payload):
    """Makes its worker keep so many MiB."""

    event_type: ClassVar[str] = "scaled.kept"
    mebibytes: int


CATALOG = Catalog(
    events=[Event(Ticked), Event(Waited), Event(Kept)],
    groups=[
        WorkerGroup(
            "ticks",
            handles=[Ticked],
            longest_runtime=seconds(1),
            usual_runtime=timedelta(milliseconds=20),
            replicas=(0, 4),
        ),
        WorkerGroup("waits", handles=[Waited], longest_runtime=seconds(40), replicas=(0, 2)),
        WorkerGroup("keeps", handles=[Kept], longest_runtime=seconds(0.4), replicas=(0, 1), memory=320),
    ],
    services=[Service("load")],
)
