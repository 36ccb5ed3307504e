"""A batch from its events to their outcomes; what cannot be committed with the others is left aside."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import structlog
from millrace.derived import BATCH_SECONDS, HALVING_SECONDS
from sqlalchemy import Engine

from workers.database import is_outage
from workers.lane.entry import Entry
from workers.lane.running import Handlers, Ran
from workers.lane.transaction import Taken, Transactions
from workers.runtime import Runtime

log = structlog.get_logger("millrace.lane")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a batch: committed, or to run one by one in the guarded way; nothing of that has been done."""

    committed: list[Ran] = field(default_factory=list)
    aside: list[Entry] = field(default_factory=list)


class Batches:
    """Settles events in batches of at most `size`."""

    def __init__(self, runtime: Runtime, engine: Engine, size: int) -> None:
        self._size = size
        self._handlers = Handlers(runtime, engine)
        self._transactions = Transactions(engine)

    def settle(self, waiting: deque[Entry]) -> Settled:
        """Take a batch from the front of what waits, run its handlers, and commit."""
        began = time.monotonic()
        until = began + HALVING_SECONDS
        settled = Settled()
        ran: list[Ran] = []
        with self._handlers.ready():
            for entries in self._calls(waiting, began + BATCH_SECONDS, settled):
                ran += self._run(entries, until, settled)
            self._commit(ran, until, settled)
        return settled

    def _calls(self, waiting: deque[Entry], end: float, settled: Settled) -> Iterator[Sequence[Entry]]:
        """The events of each call of a handler; one that is there twice is left aside the second time."""
        seen: set[tuple[str, str]] = set()
        together: dict[str, list[Entry]] = defaultdict(list)
        for _ in range(min(self._size, len(waiting))):
            entry = waiting.popleft()
            if entry.key in seen:
                settled.aside.append(entry)
                continue
            seen.add(entry.key)
            type_ = entry.received.envelope.type
            if self._handlers.takes_together(type_):
                together[type_].append(entry)
            else:
                yield (entry,)
            if time.monotonic() > end:
                break
        yield from together.values()

    def _run(self, entries: Sequence[Entry], until: float, settled: Settled) -> list[Ran]:
        """Run a handler; if it fails with several events, run it with each half of them."""
        done = self._handlers.run(entries)
        if done is not None:
            return [done]
        if len(entries) == 1 or time.monotonic() > until:
            settled.aside.extend(entries)
            return []
        half = len(entries) // 2
        return self._run(entries[:half], until, settled) + self._run(entries[half:], until, settled)

    def _commit(self, ran: Sequence[Ran], until: float, settled: Settled) -> None:
        """Commit all that can be: what is on record already is left aside, a statement that fails found by halving."""
        if not ran:
            return
        try:
            self._transactions.commit(ran)
        except Taken as taken:
            self._commit(self._without(ran, taken, until, settled), until, settled)
        except Exception as error:  # whatever it is, the events go on: one by one
            self._halve(ran, error, until, settled)
        else:
            settled.committed.extend(ran)

    def _without(self, ran: Sequence[Ran], taken: Taken, until: float, settled: Settled) -> list[Ran]:
        """What has run, without the events that are on record; a handler of several events runs again without them."""
        free: list[Ran] = []
        for each in ran:
            left = [entry for entry in each.entries if entry.key in taken.free]
            settled.aside.extend(entry for entry in each.entries if entry.key not in taken.free)
            if len(left) == len(each.entries):
                free.append(each)
            elif left:
                free += self._run(left, until, settled)
        return free

    def _halve(self, ran: Sequence[Ran], error: Exception, until: float, settled: Settled) -> None:
        entries = [entry for each in ran for entry in each.entries]
        if len(entries) == 1 or is_outage(error) or time.monotonic() > until:
            log.info("not committed as a batch", events=len(entries), error=type(error).__name__)
            settled.aside.extend(entries)
            return
        if len(ran) == 1:
            half = len(entries) // 2
            halves = [self._run(entries[:half], until, settled), self._run(entries[half:], until, settled)]
        else:
            half = len(ran) // 2
            halves = [list(ran[:half]), list(ran[half:])]
        for part in halves:
            self._commit(part, until, settled)
