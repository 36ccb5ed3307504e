"""How the retention removes: batch after batch, each a small transaction, with pauses between them."""

import time
from collections.abc import Callable

from prometheus_client import Counter
from sqlalchemy import Connection, Engine

from workers.database import begin
from workers.retention_removal import Step

SHORTEST_PAUSE_SECONDS = 0.02
#: Pauses are so many times as long as the work between them.
PAUSE_FACTOR = 19.0

REMOVED = Counter("millrace_retention_removed_total", "Rows that the retention removed", ["table"])


class Stopped(Exception):
    """The keeper ends: the round is not finished."""


def in_batches(
    engine: Engine, what: str, remove: Callable[[Connection, float], Step], wait: Callable[[float], bool]
) -> int:
    """Remove all there is, batch after batch; `wait(seconds)` pauses and is true when it is time to stop.

    Returns how many rows; raises Stopped.
    """
    removed, step = 0, Step(removed=0, position=0.0, more=True)
    while step.more:
        started = time.monotonic()
        with begin(engine) as connection:
            step = remove(connection, step.position)
        removed += step.removed
        REMOVED.labels(what).inc(step.removed)
        if step.more and wait(max(SHORTEST_PAUSE_SECONDS, (time.monotonic() - started) * PAUSE_FACTOR)):
            raise Stopped
    return removed
