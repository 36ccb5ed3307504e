"""A catalog for the tests of connections: one group whose tasks take as long as the event says, one beside it."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds


class Called(Payload):
    """Somebody called."""

    event_type: ClassVar[str] = "somebody.called"
    name: str
    seconds: float = 0.0
    #: how many calls must be on the line at the same time
    together: int = 1


RETRY = Retry(attempts=3, delay=seconds(1), factor=1, jitter=0)
CATALOG = Catalog(
    events=[Event(Called)],
    groups=[
        WorkerGroup("desk", handles=[Called], longest_runtime=seconds(6), retry=RETRY),
        WorkerGroup("archive", handles=[Called], longest_runtime=seconds(6), retry=RETRY),
    ],
    services=[Service("web")],
)
