"""The life of one record in a function: checked, claimed, run, and exactly one of the outcomes."""

import hashlib
import json
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from millrace.declarations import Catalog, LambdaGroup
from millrace.envelope import Envelope, fingerprint
from millrace.errors import Discard, HandlerError, InvalidEvent, Permanent, UnknownSchemaVersion

from workers.functions.inboxes import FunctionInbox
from workers.functions.queues import Queues
from workers.functions.records import Record
from workers.handling import Handler
from workers.notification import received
from workers.outcomes import Report
from workers.outgoing import Failure, event_letter_key
from workers.overrun import Overran, overrun_behind
from workers.received import Received
from workers.storable import error_line
from workers.stores.store import Outcome
from workers.verdicts import (
    DEAD_LETTERED,
    DISCARDED,
    PROCESSED,
    Busy,
    Claim,
    Conflict,
    Duplicate,
    Exhausted,
    Fenced,
    Request,
    Verdict,
)

if TYPE_CHECKING:
    from workers.work import UnitOfWork


class Settled(NamedTuple):
    """What became of a record, and whether it must come again."""

    report: Report
    envelope: Envelope | None = None
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Running:
    """Runs the records of one function; `limit` bounds a handler's time, `lease` is longer than a call can live."""

    group: LambdaGroup
    catalog: Catalog
    handlers: Mapping[str, Handler[Any]]
    inbox: FunctionInbox
    queues: Queues
    lease: float
    limit: Callable[[], AbstractContextManager[None]]

    def handle(self, record: Record, owner: str) -> Settled:
        """Run a record to an outcome of this delivery; raises what SQS raises if it does not take a dead letter."""
        try:
            event = self._checked(record)
        except InvalidEvent as error:
            return self._invalid(record, error)
        settled = self._claimed(event, owner)._replace(envelope=event.envelope)
        if settled.report.delay is not None:
            self.queues.come_back(record, settled.report.delay)
        return settled

    def _checked(self, record: Record) -> Received:
        if isinstance(record.content, InvalidEvent):
            raise record.content
        event = received(record.content, self.catalog)
        if event.envelope.type not in self.handlers:
            raise InvalidEvent("type", f"{event.envelope.type} is not handled by {self.group.name}")
        return event

    def _invalid(self, record: Record, error: InvalidEvent) -> Settled:
        cause = "unknown dataschema" if isinstance(error, UnknownSchemaVersion) else "invalid"
        letter = hashlib.sha256(json.dumps([self.group.name, record.mark, cause]).encode()).hexdigest()
        self.queues.bury(record.text, Failure(cause=cause, error=str(error)), letter=letter)
        return Settled(Report("invalid", note=str(error)))

    def _claimed(self, event: Received, owner: str) -> Settled:
        try:
            verdict = self._claim(event, owner)
        except Exception as error:
            return self._out(error, None)
        match verdict:
            case Claim():
                return self._attempt(event, verdict)
            case Duplicate(state):
                return Settled(Report("absorbed", note=f"already {state}"))
            case Busy(seconds):
                waits = max(1, round(seconds + 0.5))
                return Settled(Report("waiting", note="another attempt runs or is due later", delay=waits), again=True)
            case Conflict():
                return self._conflict(event)
            case Exhausted(held, last):
                lost = last or "the function was lost or overran its time each time"
                return self._bury(event, held, Failure(cause="attempts exhausted", error=lost, attempts=held.attempt))

    def _claim(self, event: Received, owner: str) -> Verdict:
        return self.inbox.claim(
            Request(
                group=self.group.name,
                envelope=event.envelope,
                fingerprint=fingerprint(event.payload),
                generation=event.generation,
                owner=owner,
                lease_seconds=self.lease,
                max_attempts=self.group.retry.attempts,
            )
        )

    def _conflict(self, event: Received) -> Settled:
        failure = Failure(cause="conflict", error="the same id and source came before with another payload")
        mark, generation = fingerprint(event.payload), event.generation
        letter = event_letter_key(event.envelope, self.group.name, failure, generation=generation, fingerprint=mark)
        self.queues.bury(event.envelope.to_bytes().decode(), failure, letter=letter, generation=generation)
        return Settled(Report("conflict", note=failure.error))

    def _attempt(self, event: Received, held: Claim) -> Settled:
        handler = self.handlers[event.envelope.type]
        work = self.inbox.work(held, repeatable=handler.external_may_repeat)
        started = time.monotonic()
        try:
            discarded = run(lambda: handler(event.payload, cast("UnitOfWork", work)), self.limit())
            state = PROCESSED if discarded is None else DISCARDED
            outcome = Outcome(state=state, milliseconds=_milliseconds(started), error=discarded)
            self.inbox.complete(held, work if discarded is None else None, outcome)
        except Fenced as overtaken:
            return _overtaken(held, overtaken)
        except Exception as error:  # whatever a handler raises decides over its own event only
            return self._failed(event, held, error, _milliseconds(started))
        return Settled(Report(state, attempt=held.attempt, milliseconds=outcome.milliseconds, note=discarded))

    def _failed(self, event: Received, held: Claim, error: Exception, milliseconds: float) -> Settled:
        if self.inbox.is_outage(error):
            return self._out(error, round(self.lease))
        text, attempt = error_line(error), held.attempt
        if isinstance(error, Permanent) or attempt >= self.group.retry.attempts:
            cause = "permanent" if isinstance(error, Permanent) else "attempts exhausted"
            stack = "".join(traceback.format_exception(error))
            failure = Failure(cause=cause, error=text, stack=stack, attempts=attempt)
            return self._bury(event, held, failure, milliseconds)
        seconds = self.group.retry.delay_after(attempt)
        try:
            self.inbox.postpone(held, seconds=seconds, error=text)
        except Fenced as overtaken:
            return _overtaken(held, overtaken)
        except Exception as trouble:
            return self._out(trouble, round(self.lease))
        note = type(error).__name__
        report = Report("retrying", attempt=attempt, milliseconds=milliseconds, note=note, delay=seconds)
        return Settled(report, again=True)

    def _bury(self, event: Received, held: Claim, failure: Failure, milliseconds: float = 0.0) -> Settled:
        """The outcome and its dead letter."""
        signed = Failure(**{**vars(failure), "worker": held.request.owner})
        outcome = Outcome(state=DEAD_LETTERED, milliseconds=milliseconds, error=failure.error)
        try:
            self.inbox.bury(held, event, signed, outcome)
        except Fenced as overtaken:
            return _overtaken(held, overtaken)
        except Exception as error:
            return self._out(error, round(self.lease))
        return Settled(Report(DEAD_LETTERED, attempt=held.attempt, milliseconds=milliseconds, note=failure.cause))

    def _out(self, error: Exception, seconds: int | None) -> Settled:
        """The store cannot be reached: no attempt is counted; without `seconds` the message waits its queue's time."""
        if not self.inbox.is_outage(error):
            raise error
        note = f"the store cannot be reached: {type(error).__name__}"
        return Settled(Report("waiting", note=note, delay=seconds), again=True)


def run(call: Callable[[], None], limit: AbstractContextManager[None]) -> str | None:
    """Run a handler within a time limit; gives the reason if it discards its event.

    Raises what the handler raises, and Overran if its time was over.
    """
    try:
        with limit:
            call()
    except Discard as reason:
        return str(reason)
    except HandlerError:
        raise
    except Exception as error:
        overran = overrun_behind(error)
        if overran is None:
            raise
        raise Overran(str(overran)) from error
    return None


def _overtaken(held: Claim, error: Fenced) -> Settled:
    """Another delivery has the event; the message may be the same, so it is not deleted under its feet."""
    return Settled(Report("overtaken", attempt=held.attempt, note=str(error)), again=True)


def _milliseconds(started: float) -> float:
    return (time.monotonic() - started) * 1000
