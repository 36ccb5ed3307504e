"""A catalog for the tests of connections: tasks that take as long as the event says, a group for each fault."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds


class Called(Payload):
    """Somebody called."""

    event_type: ClassVar[str] = "somebody.called"
    name: str
    seconds: float = 0.0
    #: how many calls must be on the line at the same time
    together: int = 1


class Unheard(Payload):
    """Nobody calls."""

    event_type: ClassVar[str] = "nobody.called"
    name: str


RETRY = Retry(attempts=3, delay=seconds(1), factor=1, jitter=0)
CATALOG = Catalog(
    events=[Event(Called), Event(Unheard)],
    groups=[
        WorkerGroup(name, handles=[Called], longest_runtime=seconds(6), retry=RETRY)
        for name in ("desk", "full-neighbour", "dead-pool", "no-queue")
    ]
    + [WorkerGroup("lost-consumer", handles=[Unheard])],
    services=[Service("web")],
)
