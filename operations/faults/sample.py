"""The catalog that the fault suite runs: a chain of two groups, one that calls out, one that is poisoned."""

from typing import ClassVar

from millrace.declarations import Catalog, Event, Payload, Retry, Service, WorkerGroup, seconds

HANGS = "hangs once"


class Begun(Payload):
    """Handled by `first`, which writes its effect and publishes Followed."""

    event_type: ClassVar[str] = "fault.begun"
    subject: str
    #: how the handler behaves: well, slowly, fails once, or HANGS
    how: str = "well"


class Followed(Payload):
    """Published by `first`, handled by `second`, whose handler is short enough for a lane."""

    event_type: ClassVar[str] = "fault.followed"
    subject: str


class Called(Payload):
    """Handled by `caller`, which has an effect outside the database."""

    event_type: ClassVar[str] = "fault.called"
    subject: str


class Poisonous(Payload):
    """Handled by `poisoned`, whose process dies of it, each time."""

    event_type: ClassVar[str] = "fault.poisonous"
    subject: str


class Unclaimed(Payload):
    """No group takes it: it is parked."""

    event_type: ClassVar[str] = "fault.unclaimed"
    subject: str


_QUICK = Retry(attempts=5, delay=seconds(1), factor=1, jitter=0)
_TWICE = Retry(attempts=2, delay=seconds(1), factor=1, jitter=0)

CATALOG = Catalog(
    events=[Event(Begun), Event(Followed), Event(Called), Event(Poisonous), Event(Unclaimed)],
    groups=[
        WorkerGroup("first", handles=[Begun], longest_runtime=seconds(1), retry=_QUICK),
        WorkerGroup("second", handles=[Followed], longest_runtime=seconds(0.5), retry=_QUICK),
        WorkerGroup("caller", handles=[Called], longest_runtime=seconds(1), retry=_QUICK),
        WorkerGroup("poisoned", handles=[Poisonous], longest_runtime=seconds(1), retry=_TWICE),
    ],
    services=[Service("load")],
)
#: What tells the stack's processes to run this catalog and its handlers.
SETTINGS = {"MILLRACE_CATALOG": f"{__name__}:CATALOG", "MILLRACE_HANDLERS": "operations.faults.sample_handlers"}
Loaded = Begun | Called | Poisonous | Unclaimed
#: What the load publishes, in shares of a whole.
SHARES: tuple[tuple[type[Loaded], float], ...] = ((Begun, 0.85), (Called, 0.1), (Unclaimed, 0.05))
#: How many poisonous events there are, in a scenario that has them.
POISON = 5
