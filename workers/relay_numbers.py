"""What a relay tells of the outbox as a whole: how much waits, for how long, and which keys are stopped."""

import time

from millrace.publishing.store_clock import store_now
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection, Engine, func, select

from workers.database import reading
from workers.tables import outbox

PUBLISHED = Counter("millrace_relay_published_total", "Outbox rows published and confirmed")
FAILED = Counter("millrace_relay_failed_total", "Outbox rows that the broker did not confirm")
LAG = Gauge("millrace_relay_lag_seconds", "Age of the oldest unpublished outbox row")
WAITING = Gauge("millrace_relay_waiting", "Unpublished outbox rows")
STOPPED = Gauge("millrace_relay_stopped_keys", "Partition keys that wait because the broker refuses their first row")

#: So often the age of the oldest row is looked up, and the rows are counted: that is not free in a long outbox.
LOOK_SECONDS = 0.5
COUNT_SECONDS = 5.0
_UNPUBLISHED = outbox.c.published_at.is_(None)
_REFUSED_KEYED = (_UNPUBLISHED, outbox.c.partition_key.is_not(None), outbox.c.attempts > 0)


class Numbers:
    """Keeps the gauges up to date, each as often as it is worth."""

    def __init__(self) -> None:
        self._looked = self._counted = -COUNT_SECONDS

    def look(self, engine: Engine) -> None:
        """Bring the gauges up to date if it is time."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        with reading(engine) as connection:
            LAG.set(lag_seconds(connection))
            if now - self._counted >= COUNT_SECONDS:
                self._counted = now
                WAITING.set(connection.execute(select(func.count()).where(_UNPUBLISHED)).scalar_one())
                keys = select(func.count(outbox.c.partition_key.distinct())).where(*_REFUSED_KEYED)
                STOPPED.set(connection.execute(keys).scalar_one())


def lag_seconds(connection: Connection) -> float:
    """The age of the first unpublished row; 0 if there is none."""
    first = select(store_now() - outbox.c.created_at).where(_UNPUBLISHED).order_by(outbox.c.id).limit(1)
    return max(0.0, float(connection.execute(first).scalar() or 0.0))
