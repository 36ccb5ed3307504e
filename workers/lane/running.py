"""The handlers of a batch: they run before its transaction begins, so no lock is held while they do."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from millrace.envelope import fingerprint
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from workers import verdicts
from workers.execution import claim_request
from workers.handling import BatchHandler, Handler
from workers.lane.entry import Entry
from workers.lane.work import BatchedWork, NotInBatch
from workers.outcomes import milliseconds_since
from workers.overrun import interrupting, run_handler
from workers.received import Received
from workers.runtime import Runtime
from workers.stores.sql import DatabaseStore
from workers.stores.store import Outcome
from workers.verdicts import Claim, Request

log = structlog.get_logger("millrace.lane")

#: Databases tell deliveries apart by their fences; a token is for stores that may answer twice.
_NO_TOKEN = ""
#: Where no record is kept nobody asks whether an event is the same as another.
_NO_MARK = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """Events whose handler has ended, and what it wants done; nothing of it is committed yet.

    There are several only where one call of a handler has taken them together.
    """

    entries: Sequence[Entry]
    held: Sequence[Claim]
    work: BatchedWork | None
    outcome: Outcome

    def __iter__(self) -> Iterator[tuple[Entry, Claim]]:
        return zip(self.entries, self.held, strict=True)


class Handlers:
    """Runs a group's handlers on events that nobody has begun before, as far as their messages tell."""

    def __init__(self, runtime: Runtime, engine: Engine) -> None:
        self._runtime = runtime
        self._engine = engine
        self._store = DatabaseStore(engine)
        self._seconds = runtime.timing.soft_limit
        self._owner = runtime.worker
        self._recorded = not runtime.group.idempotent
        #: event types whose handlers asked for what an event in a batch cannot have
        self._alone: set[str] = set()

    def takes_together(self, type_: str) -> bool:
        """Whether the handler of an event type takes all that are there."""
        return isinstance(self._runtime.handlers[type_], BatchHandler)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Handlers may run in the body."""
        with interrupting(self._seconds) as self._limit:
            yield

    def run(self, entries: Sequence[Entry]) -> Ran | None:
        """Call the handler of events of one type, once; None if it fails, or cannot be in a batch.

        Nothing has been done then.
        """
        type_ = entries[0].received.envelope.type
        if type_ in self._alone:
            return None
        try:
            return self._called(entries, self._runtime.handlers[type_])
        except NotInBatch:
            self._alone.add(type_)
        except (Exception, SystemExit) as error:  # it decides over its own events only, which run again
            id_ = entries[0].received.envelope.id
            log.info("failed in a batch", id=id_, events=len(entries), error=type(error).__name__)
        return None

    def _called(self, entries: Sequence[Entry], handler: Handler[Any]) -> Ran:
        held = [Claim(request=self._request(each.received), attempt=1, fence=1) for each in entries]
        work = BatchedWork(self._engine, self._runtime.catalog, held, self._store)
        started = time.monotonic()
        try:
            discarded = run_handler(_call(handler, entries, work), self._limit, SQLAlchemyError)
        finally:
            work.require_not_asked()
        milliseconds = milliseconds_since(started)
        state = verdicts.PROCESSED if discarded is None else verdicts.DISCARDED
        outcome = Outcome(state=state, milliseconds=milliseconds, error=discarded)
        return Ran(entries=entries, held=held, work=work if discarded is None else None, outcome=outcome)

    def _request(self, received: Received) -> Request:
        mark = fingerprint(received.payload) if self._recorded else _NO_MARK
        return claim_request(self._runtime, received, self._owner, mark, _NO_TOKEN)


def _call(handler: Handler[Any], entries: Sequence[Entry], work: BatchedWork) -> Callable[[], None]:
    if isinstance(handler, BatchHandler):
        return partial(handler.together, [entry.received.payload for entry in entries], work)
    return partial(handler, entries[0].received.payload, work)
