"""Batches from their events to their outcomes; what cannot be committed with the others is left aside.

While one waits for its commit, which is the disk's time, the handlers of the next one run (docs/decisions/0505).
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import structlog
from millrace.derived import BATCH_SECONDS, COMMIT_SECONDS, HALVING_SECONDS
from sqlalchemy import Engine

from workers.database import is_outage
from workers.lane.entry import Entry
from workers.lane.running import Handlers, Ran
from workers.lane.transaction import Sent, Taken, Transactions, is_too_late
from workers.runtime import Runtime

log = structlog.get_logger("millrace.lane")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of events: committed, or to run one by one in the guarded way; nothing of that has been done."""

    committed: list[Ran] = field(default_factory=list)
    aside: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A batch that waits for its commit."""

    ran: list[Ran]
    sent: Sent


class Batches:
    """Settles events in batches of at most `size`; one may be on its way while the next one begins."""

    def __init__(self, runtime: Runtime, engine: Engine, size: int) -> None:
        self._size = size
        self._handlers = Handlers(runtime, engine)
        self._transactions = Transactions(engine, recorded=not runtime.group.idempotent)
        self._before: OnItsWay | None = None

    def begin(self, waiting: deque[Entry]) -> Settled:
        """Take a batch from the front of what waits, run its handlers, end the one before, and send this one."""
        began = time.monotonic()
        until = began + HALVING_SECONDS
        settled = Settled()
        ran: list[Ran] = []
        with self._handlers.ready():
            for entries in self._calls(waiting, began + BATCH_SECONDS, settled):
                ran += self._run(entries, until, settled)
            committed_by = time.monotonic() + COMMIT_SECONDS
            if self._end(committed_by, until, settled):
                self._send(ran, committed_by, until, settled)
            else:
                settled.aside.extend(_entries(ran))
        return settled

    def end(self) -> Settled:
        """End the batch that is on its way, if there is one."""
        settled = Settled()
        now = time.monotonic()
        with self._handlers.ready():
            self._end(now + COMMIT_SECONDS, now + HALVING_SECONDS, settled)
        return settled

    def _end(self, committed_by: float, until: float, settled: Settled) -> bool:
        """End the batch on its way; whether the database is there. What is wrong is found by committing it again."""
        before, self._before = self._before, None
        if before is None:
            return True
        try:
            before.sent.end(committed_by)
        except Exception as error:  # whatever it is, the events go on
            return self._again(before.ran, error, committed_by, until, settled)
        settled.committed.extend(before.ran)
        return True

    def _send(self, ran: list[Ran], committed_by: float, until: float, settled: Settled) -> None:
        if not ran:
            return
        try:
            sent = self._transactions.send(ran, committed_by)
        except Exception as error:  # as when it is ended: a quick answer, or an old line
            self._again(ran, error, committed_by, until, settled)
        else:
            if sent is None:
                settled.committed.extend(ran)
            else:
                self._before = OnItsWay(ran, sent)

    def _again(self, ran: Sequence[Ran], error: Exception, committed_by: float, until: float, settled: Settled) -> bool:
        """Commit what could not be sent or ended, as far as that can tell more; whether the database is there."""
        log.info("not committed at once", events=len(_entries(ran)), error=type(error).__name__)
        if isinstance(error, Taken) or is_too_late(error, committed_by):
            self._not_committed(ran, error, until, settled)
            return not is_outage(error)
        return self._commit(ran, until, settled, committed_by)

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

    def _commit(self, ran: Sequence[Ran], until: float, settled: Settled, by: float | None = None) -> bool:
        """Commit all that can be, and wait for it; whether the database was there."""
        if not ran:
            return True
        try:
            self._transactions.commit(ran, by)
        except Exception as error:
            self._not_committed(ran, error, until, settled)
            return not is_outage(error)
        settled.committed.extend(ran)
        return True

    def _not_committed(self, ran: Sequence[Ran], error: Exception, until: float, settled: Settled) -> None:
        """Leave aside what is on record already; find a statement that fails by halving."""
        if isinstance(error, Taken):
            self._commit(self._without(ran, error, until, settled), until, settled)
        else:  # whatever it is, the events go on: one by one
            self._halve(ran, error, until, settled)

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
        entries = _entries(ran)
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


def _entries(ran: Sequence[Ran]) -> list[Entry]:
    return [entry for each in ran for entry in each.entries]
