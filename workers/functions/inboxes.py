"""Where a function's events are claimed, and how an attempt ends there."""

from typing import Protocol

from millrace.declarations import Catalog

from workers.event_work import EventWork
from workers.functions.fenced_work import FencedWork
from workers.functions.outbox import items_of
from workers.functions.queues import AWS_ERRORS, Queues
from workers.outgoing import Failure, event_letter_key
from workers.received import Received
from workers.stores.dynamodb import DynamoStore
from workers.stores.level import Level
from workers.stores.store import Outcome, StoreUnavailable
from workers.verdicts import Claim, Request, Verdict


class FunctionInbox(Protocol):
    """Its methods raise Fenced if the claim was taken over; `is_outage` says of any error whether the store is out."""

    level: Level

    def claim(self, request: Request) -> Verdict:
        """Claim the event for one attempt, or say why not."""

    def work(self, held: Claim, *, repeatable: bool) -> EventWork:
        """What the handler talks through."""

    def complete(self, held: Claim, work: EventWork | None, outcome: Outcome) -> None:
        """Keep the work, if any, and record the outcome, together."""

    def postpone(self, held: Claim, *, seconds: float, error: str) -> None:
        """Record a failed attempt, and that the next one is due in so many seconds."""

    def bury(self, held: Claim, received: Received, failure: Failure, outcome: Outcome) -> None:
        """Dead-letter the event, and record that."""

    def is_outage(self, error: Exception) -> bool:
        """Whether the store gave no answer."""


class DynamoInbox:
    """In DynamoDB: outcome and outbox in one transaction."""

    level = Level.FENCED

    def __init__(self, store: DynamoStore, catalog: Catalog, outbox_table: str, queues: Queues) -> None:
        self._store = store
        self._catalog = catalog
        self._outbox = outbox_table
        self._queues = queues

    def claim(self, request: Request) -> Verdict:
        """Claim the event for one attempt, or say why not."""
        return self._store.claim(request)

    def work(self, held: Claim, *, repeatable: bool) -> EventWork:
        """What the handler talks through."""
        return FencedWork(self._catalog, held, self._store, repeatable=repeatable)

    def complete(self, held: Claim, work: EventWork | None, outcome: Outcome) -> None:
        """Record the outcome; what was published goes with it."""
        if work is not None and work.publishes:
            self._store.complete_with(held, outcome, self._outbox, items_of(work.messages))
        else:
            self._store.complete(held, outcome)

    def postpone(self, held: Claim, *, seconds: float, error: str) -> None:
        """Record a failed attempt, and that the next one is due in so many seconds."""
        self._store.postpone(held, seconds=seconds, error=error)

    def bury(self, held: Claim, received: Received, failure: Failure, outcome: Outcome) -> None:
        """Forbid further attempts, send the letter, then record the outcome.

        Cut in between, the next delivery finds no attempt left and buries the event again: no handler runs.
        """
        self._store.exhaust(held, error=outcome.error or "")
        asked = held.request
        letter = event_letter_key(
            asked.envelope, asked.group, failure, generation=received.generation, fingerprint=asked.fingerprint
        )
        body = asked.envelope.to_bytes().decode()
        try:
            self._queues.bury(body, failure, letter=letter, generation=received.generation)
        except AWS_ERRORS as error:
            raise StoreUnavailable(f"SQS takes no dead letter: {error}"[:300]) from error
        self._store.complete(held, outcome)

    def is_outage(self, error: Exception) -> bool:
        """Whether DynamoDB, or SQS, gave no answer to us; what the handler called itself is its own failure."""
        return isinstance(error, StoreUnavailable)
