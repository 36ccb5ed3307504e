"""One attempt at an event that a function has claimed: its handler within its time, then an outcome or a retry."""

import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from millrace.declarations import LambdaGroup
from millrace.envelope import Envelope
from millrace.errors import Permanent

from workers.functions.inboxes import FunctionInbox
from workers.handling import Handler
from workers.outcomes import Report, milliseconds_since
from workers.outgoing import EXHAUSTED, PERMANENT, Failure
from workers.overrun import run_handler
from workers.received import Received
from workers.storable import error_line
from workers.stores.store import Outcome
from workers.verdicts import DEAD_LETTERED, DISCARDED, PROCESSED, Claim, Fenced

if TYPE_CHECKING:
    from workers.work import UnitOfWork


class Settled(NamedTuple):
    """What became of a record, and whether it must come again."""

    report: Report
    envelope: Envelope | None = None
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """Attempts of one function; `limit` bounds a handler's time, `lease` is longer than a call can live."""

    group: LambdaGroup
    handlers: Mapping[str, Handler[Any]]
    inbox: FunctionInbox
    lease: float
    limit: Callable[[], AbstractContextManager[None]]

    def attempt(self, event: Received, held: Claim) -> Settled:
        """Run the handler of a claimed event; raises only what is a mistake of ours."""
        handler = self.handlers[event.envelope.type]
        work = self.inbox.work(held, repeatable=handler.external_may_repeat)
        started = time.monotonic()
        try:
            discarded = run_handler(lambda: handler(event.payload, cast("UnitOfWork", work)), self.limit())
            state = PROCESSED if discarded is None else DISCARDED
            outcome = Outcome(state=state, milliseconds=milliseconds_since(started), error=discarded)
            self.inbox.complete(held, work if discarded is None else None, outcome)
        except Fenced as overtaken:
            return _overtaken(held, overtaken)
        except Exception as error:  # whatever a handler raises decides over its own event only
            return self._failed(event, held, error, milliseconds_since(started))
        return Settled(Report(state, attempt=held.attempt, milliseconds=outcome.milliseconds, note=discarded))

    def _failed(self, event: Received, held: Claim, error: Exception, milliseconds: float) -> Settled:
        if self.inbox.is_outage(error):
            return self.out(error, round(self.lease))
        text, attempt = error_line(error), held.attempt
        if isinstance(error, Permanent) or attempt >= self.group.retry.attempts:
            cause = PERMANENT if isinstance(error, Permanent) else EXHAUSTED
            stack = "".join(traceback.format_exception(error))
            failure = Failure(cause=cause, error=text, stack=stack, attempts=attempt)
            return self.bury(event, held, failure, milliseconds)
        seconds = self.group.retry.delay_after(attempt)
        try:
            self.inbox.postpone(held, seconds=seconds, error=text)
        except Fenced as overtaken:
            return _overtaken(held, overtaken)
        except Exception as trouble:
            return self.out(trouble, round(self.lease))
        note = type(error).__name__
        report = Report("retrying", attempt=attempt, milliseconds=milliseconds, note=note, delay=seconds)
        return Settled(report, again=True)

    def bury(self, event: Received, held: Claim, failure: Failure, milliseconds: float = 0.0) -> Settled:
        """Record that the event is dead, with its dead letter."""
        signed = Failure(**{**vars(failure), "worker": held.request.owner})
        outcome = Outcome(state=DEAD_LETTERED, milliseconds=milliseconds, error=failure.error)
        try:
            self.inbox.bury(held, event, signed, outcome)
        except Fenced as overtaken:
            return _overtaken(held, overtaken)
        except Exception as error:
            return self.out(error, round(self.lease))
        return Settled(Report(DEAD_LETTERED, attempt=held.attempt, milliseconds=milliseconds, note=failure.cause))

    def out(self, error: Exception, seconds: int | None) -> Settled:
        """The store cannot be reached: no attempt is counted; without `seconds` the message waits its queue's time."""
        if not self.inbox.is_outage(error):
            raise error
        note = f"the store cannot be reached: {error_line(error)}"
        return Settled(Report("waiting", note=note, delay=seconds), again=True)


def _overtaken(held: Claim, error: Fenced) -> Settled:
    """Another delivery has the event; the message may be the same, so it is not deleted under its feet."""
    return Settled(Report("overtaken", attempt=held.attempt, note=str(error)), again=True)
