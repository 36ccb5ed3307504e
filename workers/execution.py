"""The life of one delivery in a worker process: claim, run, and exactly one of the outcomes."""

import time
import traceback
import uuid
from dataclasses import dataclass
from functools import partial

from millrace.envelope import Envelope, fingerprint
from millrace.errors import Permanent, PublishError
from millrace.publishing.message import Message
from sqlalchemy.exc import SQLAlchemyError

from workers import verdicts
from workers.database import is_outage
from workers.outcomes import Report, milliseconds_since
from workers.outgoing import EXHAUSTED, PERMANENT, Failure, delayed, event_letter
from workers.overrun import interrupted_after, run_handler
from workers.received import Received
from workers.runtime import Runtime
from workers.storable import error_line
from workers.stores.settlement import STORE_ERRORS
from workers.stores.store import Outcome, StoreUnavailable
from workers.work import UnitOfWork

#: How long to wait before an event is tried again when the store cannot be reached, in seconds.
OUTAGE_SECONDS = 5


class GiveBack(Exception):
    """Neither store nor broker took what had to be recorded: the delivery must go back to its queue."""


@dataclass(frozen=True)
class Execution:
    """Runs one received event for a group."""

    runtime: Runtime
    received: Received

    @property
    def _event(self) -> Envelope:
        return self.received.envelope

    def run(self) -> Report:
        """Run the event to an outcome of this delivery and report it; raises GiveBack if nothing can be recorded."""
        try:
            verdict = self._claim()
        except STORE_ERRORS as error:
            return self._store_is_out(error, OUTAGE_SECONDS, begun=self.received.begun)
        match verdict:
            case verdicts.Claim():
                return self._attempt(verdict)
            case verdicts.Duplicate(state):
                return Report("absorbed", note=f"already {state}")
            case verdicts.Busy(seconds):
                return self._come_back(seconds)
            case verdicts.Conflict():
                return self._conflict()
            case verdicts.Exhausted(held, last):
                lost = last or "the worker was lost or overran its time each time"
                return self._bury(held, Failure(cause=EXHAUSTED, error=lost, attempts=held.attempt), 0.0)

    def _claim(self) -> verdicts.Verdict:
        runtime = self.runtime
        mark = fingerprint(self.received.payload)
        return runtime.inbox.claim(claim_request(runtime, self.received, runtime.worker, mark, uuid.uuid4().hex))

    def _attempt(self, held: verdicts.Claim) -> Report:
        handler = self.runtime.handlers[self._event.type]
        work = self._work(held, repeatable=handler.external_may_repeat)
        started = time.monotonic()
        try:
            limit = interrupted_after(self.runtime.timing.soft_limit)
            discarded = run_handler(partial(handler, self.received.payload, work), limit, SQLAlchemyError)
            if discarded is None:
                return self._complete(held, work, verdicts.PROCESSED, started)
            return self._complete(held, None, verdicts.DISCARDED, started, note=discarded)
        except verdicts.Fenced as overtaken:
            return Report("overtaken", attempt=held.attempt, note=str(overtaken))
        except Exception as error:  # whatever a handler raises decides over its own event only
            return self._failed(held, error, milliseconds_since(started))

    def _work(self, held: verdicts.Claim, *, repeatable: bool) -> UnitOfWork:
        runtime = self.runtime
        return UnitOfWork(runtime.engine, runtime.catalog, held, runtime.inbox, repeatable=repeatable)

    def _complete(
        self, held: verdicts.Claim, work: UnitOfWork | None, state: str, started: float, note: str | None = None
    ) -> Report:
        outcome = Outcome(state=state, milliseconds=milliseconds_since(started), error=note)
        self.runtime.settlement.complete(held, work, outcome)
        return Report(state, attempt=held.attempt, milliseconds=milliseconds_since(started), note=note)

    def _failed(self, held: verdicts.Claim, error: Exception, milliseconds: float) -> Report:
        if isinstance(error, StoreUnavailable) or (isinstance(error, SQLAlchemyError) and is_outage(error)):
            return self._store_is_out(error, self.runtime.timing.lease, begun=True)
        kind, text = type(error).__name__, error_line(error)
        stack = "".join(traceback.format_exception(error))
        retry = self.runtime.group.retry
        if isinstance(error, Permanent) or held.attempt >= retry.attempts:
            cause = PERMANENT if isinstance(error, Permanent) else EXHAUSTED
            return self._bury(held, Failure(cause=cause, error=text, stack=stack, attempts=held.attempt), milliseconds)
        seconds = retry.delay_after(held.attempt)
        self._send(self._delayed(seconds, begun=True))
        try:
            self.runtime.inbox.postpone(held, seconds=seconds, error=text)
        except (verdicts.Fenced, *STORE_ERRORS):  # the delayed message is there: the lease decides when it comes back
            pass
        return Report("retrying", attempt=held.attempt, milliseconds=milliseconds, note=kind, delay=seconds)

    def _bury(self, held: verdicts.Claim, failure: Failure, milliseconds: float) -> Report:
        """The outcome and its dead letter."""
        outcome = Outcome(state=verdicts.DEAD_LETTERED, milliseconds=milliseconds, error=failure.error)
        try:
            self.runtime.settlement.bury(held, self._letter(failure), outcome)
        except verdicts.Fenced as overtaken:
            return Report("overtaken", attempt=held.attempt, note=str(overtaken))
        except STORE_ERRORS as error:
            return self._store_is_out(error, self.runtime.timing.lease, begun=True)
        return Report(verdicts.DEAD_LETTERED, attempt=held.attempt, milliseconds=milliseconds, note=failure.cause)

    def _conflict(self) -> Report:
        error = "the same id and source came before with another payload"
        self._send(self._letter(Failure(cause="conflict", error=error)))
        return Report("conflict", note=error)

    def _come_back(self, seconds: float) -> Report:
        whole = max(1, round(seconds + 0.5))
        self._send(self._delayed(whole, begun=True))
        return Report("waiting", note="another attempt runs or is due later", delay=whole)

    def _store_is_out(self, error: Exception, seconds: float, *, begun: bool) -> Report:
        """The store cannot be reached: no attempt is counted, the event waits in the broker."""
        whole = max(1, round(seconds))
        self._send(self._delayed(whole, begun=begun))
        return Report("waiting", note=f"the store cannot be reached: {type(error).__name__}", delay=whole)

    def _delayed(self, seconds: int, *, begun: bool) -> Message:
        generation = self.received.generation
        return delayed(self._event, self.runtime.group.name, seconds=seconds, generation=generation, begun=begun)

    def _letter(self, failure: Failure) -> Message:
        signed = Failure(**{**vars(failure), "worker": self.runtime.worker})
        return event_letter(
            self._event,
            self.runtime.group.name,
            signed,
            generation=self.received.generation,
            fingerprint=fingerprint(self.received.payload),
        )

    def _send(self, message: Message) -> None:
        try:
            self.runtime.sender.send_one(message)
        except PublishError as error:
            raise GiveBack(f"cannot hand the event to the broker: {error}") from error


def claim_request(runtime: Runtime, received: Received, owner: str, mark: str, token: str) -> verdicts.Request:
    """What a delivery of this event asks of the inbox; `mark` is its fingerprint, `token` as there."""
    return verdicts.Request(
        group=runtime.group.name,
        envelope=received.envelope,
        fingerprint=mark,
        generation=received.generation,
        owner=owner,
        lease_seconds=runtime.timing.lease,
        max_attempts=runtime.group.retry.attempts,
        token=token,
    )
