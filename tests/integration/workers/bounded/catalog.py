"""A catalog whose groups each fail in their own way at the same event."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds


class CrateLoaded(Payload):
    """A crate, which every group handles; one that is `bad` breaks each of them."""

    event_type: ClassVar[str] = "crate.loaded"
    name: str
    bad: bool = False


ATTEMPTS = 2
GROUPS = ("hanging", "killed", "orphaned")
_RETRY = Retry(attempts=ATTEMPTS, delay=seconds(1), factor=1, jitter=0)
CATALOG = Catalog(
    events=[Event(CrateLoaded)],
    groups=[WorkerGroup(name, handles=[CrateLoaded], longest_runtime=seconds(1), retry=_RETRY) for name in GROUPS],
    services=[Service("web")],
)
