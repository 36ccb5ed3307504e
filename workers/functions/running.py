"""The life of one record in a function: checked, claimed, given to its attempt, and exactly one of the outcomes."""

import hashlib
import json
from dataclasses import dataclass

from millrace.declarations import Catalog, LambdaGroup
from millrace.envelope import fingerprint
from millrace.errors import InvalidEvent

from workers.admission import cause_of, number, received
from workers.functions.attempts import Attempts, Settled
from workers.functions.queues import Queues
from workers.functions.records import Record
from workers.outcomes import Report
from workers.outgoing import EXHAUSTED, Failure, event_letter_key
from workers.received import Received
from workers.verdicts import Busy, Claim, Conflict, Duplicate, Exhausted, Request, Verdict


@dataclass(frozen=True, kw_only=True)
class Running:
    """Runs the records of one function."""

    catalog: Catalog
    queues: Queues
    attempts: Attempts

    @property
    def group(self) -> LambdaGroup:
        """The group that the function is."""
        return self.attempts.group

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
        event = received(record.content, self.catalog)
        if event.envelope.type not in self.attempts.handlers:
            raise InvalidEvent("type", f"{event.envelope.type} is not handled by {self.group.name}")
        return event

    def _invalid(self, record: Record, error: InvalidEvent) -> Settled:
        cause = cause_of(error, record.content)
        letter = hashlib.sha256(json.dumps([self.group.name, record.mark, cause]).encode()).hexdigest()
        # A replay of this letter must be newer than what the inbox may have on record of the event.
        generation = number(record.content.generation or "0") or 0
        self.queues.bury(record.text, Failure(cause=cause, error=str(error)), letter=letter, generation=generation)
        return Settled(Report("invalid", note=str(error)))

    def _claimed(self, event: Received, owner: str) -> Settled:
        try:
            verdict = self._claim(event, owner)
        except Exception as error:
            return self.attempts.out(error, None)
        match verdict:
            case Claim():
                return self.attempts.attempt(event, verdict)
            case Duplicate(state):
                return Settled(Report("absorbed", note=f"already {state}"))
            case Busy(seconds):
                waits = max(1, round(seconds + 0.5))
                return Settled(Report("waiting", note="another attempt runs or is due later", delay=waits), again=True)
            case Conflict():
                return self._conflict(event)
            case Exhausted(held, last):
                lost = last or "the function was lost or overran its time each time"
                failure = Failure(cause=EXHAUSTED, error=lost, attempts=held.attempt)
                return self.attempts.bury(event, held, failure)

    def _claim(self, event: Received, owner: str) -> Verdict:
        return self.attempts.inbox.claim(
            Request(
                group=self.group.name,
                envelope=event.envelope,
                fingerprint=fingerprint(event.payload),
                generation=event.generation,
                owner=owner,
                lease_seconds=self.attempts.lease,
                max_attempts=self.group.retry.attempts,
            )
        )

    def _conflict(self, event: Received) -> Settled:
        failure = Failure(cause="conflict", error="the same id and source came before with another payload")
        mark, generation = fingerprint(event.payload), event.generation
        letter = event_letter_key(event.envelope, self.group.name, failure, generation=generation, fingerprint=mark)
        self.queues.bury(event.envelope.to_bytes().decode(), failure, letter=letter, generation=generation)
        return Settled(Report("conflict", note=failure.error))
