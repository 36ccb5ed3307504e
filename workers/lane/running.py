"""The handlers of a batch: they run before its transaction begins, so no lock is held while they do."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Engine

from workers import inbox
from workers.execution import claim_request, run_handler
from workers.handling import Handler
from workers.inbox import Claim
from workers.lane.entry import Entry
from workers.lane.work import BatchedWork
from workers.runtime import Runtime
from workers.stores.sql import DatabaseStore
from workers.stores.store import Outcome

log = structlog.get_logger("millrace.lane")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """An event whose handler has ended, and what it wants done; nothing of it is committed yet."""

    entry: Entry
    held: Claim
    work: BatchedWork | None
    outcome: Outcome


class Handlers:
    """Runs a group's handlers on events that nobody has begun before, as far as their messages tell."""

    def __init__(self, runtime: Runtime, engine: Engine) -> None:
        self._runtime = runtime
        self._engine = engine
        self._store = DatabaseStore(engine)
        self._limit = runtime.timing.soft_limit
        #: event types whose handlers asked for what an event in a batch cannot have
        self._alone: set[str] = set()

    def run(self, entry: Entry) -> Ran | None:
        """Run the handler of an event; None if it fails, or must run by itself: nothing has been done then."""
        type_ = entry.received.envelope.type
        if type_ in self._alone:
            return None
        held = Claim(request=claim_request(self._runtime, entry.received), attempt=1, fence=1)
        work = BatchedWork(self._engine, self._runtime.catalog, held, self._store)
        handler: Handler[Any] = self._runtime.handlers[type_]
        discarded: str | None = None
        failure: BaseException | None = None
        started = time.monotonic()
        try:
            discarded = run_handler(partial(handler, entry.received.payload, work), self._limit)
        except (Exception, SystemExit) as error:  # it decides over its own event only, which runs again by itself
            failure = error
        if work.asked:
            self._alone.add(type_)
            return None
        if failure is not None:
            log.info("failed in a batch", id=held.request.envelope.id, error=type(failure).__name__)
            return None
        milliseconds = (time.monotonic() - started) * 1000
        state = inbox.PROCESSED if discarded is None else inbox.DISCARDED
        outcome = Outcome(state=state, milliseconds=milliseconds, error=discarded)
        return Ran(entry=entry, held=held, work=work if discarded is None else None, outcome=outcome)
