"""A batch from its events to their outcomes; what cannot be committed with the others is left aside."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from millrace.derived import BATCH_SECONDS, HALVING_SECONDS
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from workers.database import is_outage
from workers.lane.entry import Entry
from workers.lane.running import Handlers, Ran
from workers.lane.transaction import Taken, Transactions
from workers.runtime import Runtime

log = structlog.get_logger("millrace.lane")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a batch: committed, or to run one by one in the guarded way; nothing of that has been done."""

    committed: list[Ran]
    aside: list[Entry]


class Batches:
    """Settles events in batches of at most `size`."""

    def __init__(self, runtime: Runtime, engine: Engine, size: int) -> None:
        self._size = size
        self._handlers = Handlers(runtime, engine)
        self._transactions = Transactions(engine)

    def settle(self, waiting: deque[Entry]) -> Settled:
        """Take a batch from the front of what waits, run its handlers, and commit."""
        began = time.monotonic()
        ran: dict[tuple[str, str], Ran] = {}
        aside: list[Entry] = []
        for _ in range(min(self._size, len(waiting))):
            entry = waiting.popleft()
            done = None if entry.key in ran else self._handlers.run(entry)
            if done is None:
                aside.append(entry)
            else:
                ran[entry.key] = done
            if time.monotonic() - began > BATCH_SECONDS:
                break
        committed, failed = self._commit(list(ran.values()), until=began + HALVING_SECONDS)
        return Settled(committed, aside + [each.entry for each in failed])

    def _commit(self, ran: Sequence[Ran], until: float) -> tuple[list[Ran], list[Ran]]:
        """Commit all that can be, and return it with the rest: a statement that fails is found by halving."""
        if not ran:
            return [], []
        try:
            self._transactions.commit(ran)
            return list(ran), []
        except Taken as taken:
            free = [each for each in ran if each.entry.key in taken.keys]
            committed, failed = self._commit(free, until)
            return committed, failed + [each for each in ran if each.entry.key not in taken.keys]
        except Exception as error:  # whatever it is, the events go on: one by one
            outage = isinstance(error, SQLAlchemyError) and is_outage(error)
            if len(ran) == 1 or outage or time.monotonic() > until:
                log.info("not committed as a batch", events=len(ran), error=type(error).__name__)
                return [], list(ran)
        half = len(ran) // 2
        (first, failed), (second, more) = self._commit(ran[:half], until), self._commit(ran[half:], until)
        return first + second, failed + more
