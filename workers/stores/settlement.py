"""How an attempt ends in a store: its effects and its outcome together, or one after the other."""

from dataclasses import dataclass
from typing import Protocol

from millrace.publishing.message import Message
from millrace.publishing.outbox import outbox_row
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from workers.database import begin
from workers.stores.outcome_copy import copy_outcome
from workers.stores.store import InboxStore, Outcome, StoreUnavailable, TransactionalStore
from workers.verdicts import Claim
from workers.work import UnitOfWork

#: What any store raises when it cannot answer; the event then waits in the broker, and no attempt is counted.
STORE_ERRORS = (StoreUnavailable, SQLAlchemyError)


class Settlement(Protocol):
    """Both raise Fenced if the claim was taken over, and one of STORE_ERRORS if a store does not answer."""

    def complete(self, held: Claim, work: UnitOfWork | None, outcome: Outcome) -> None:
        """Keep the work, if any, and record the outcome."""

    def bury(self, held: Claim, letter: Message, outcome: Outcome) -> None:
        """Dead-letter the event, and record that."""


@dataclass(frozen=True)
class Together:
    """One transaction for all of it; the relay sends what was published, and the dead letter."""

    store: TransactionalStore

    def complete(self, held: Claim, work: UnitOfWork | None, outcome: Outcome) -> None:
        """Commit effects, outbox and outcome."""
        with self.store.completing(held, outcome) as connection:
            if work is not None:
                work.flush(connection)

    def bury(self, held: Claim, letter: Message, outcome: Outcome) -> None:
        """Commit the outcome and the letter's row in the outbox."""
        with self.store.completing(held, outcome) as connection:
            connection.execute(outbox_row(letter, held.request.envelope.type))


@dataclass(frozen=True)
class Apart:
    """What is sent is committed to the database's outbox first, the outcome recorded in the store afterwards.

    Cut in between, it is sent again with the same id, which consumers absorb (decision 0407). With it goes a copy of
    the outcome, for people: the store alone decides.
    """

    store: InboxStore
    engine: Engine

    def complete(self, held: Claim, work: UnitOfWork | None, outcome: Outcome) -> None:
        """Commit what was published, then record the outcome."""
        if work is not None and work.publishes:
            self.store.require_held(held)  # stops a stale holder; what slips through is absorbed by its id
        self.hand_over(held, work, outcome)
        self.store.complete(held, outcome)

    def bury(self, held: Claim, letter: Message, outcome: Outcome) -> None:
        """Forbid further attempts, commit the letter to the outbox, then record the outcome.

        Cut in between, the next delivery finds no attempt left and buries the event: no handler runs again.
        """
        self.store.exhaust(held, error=outcome.error or "")
        self.hand_over_letter(held, letter, outcome)
        self.store.complete(held, outcome)

    def hand_over(self, held: Claim, work: UnitOfWork | None, outcome: Outcome) -> None:
        """Commit what was published to the outbox."""
        with begin(self.engine) as connection:
            if work is not None:
                work.flush(connection)
            copy_outcome(connection, held, outcome)

    def hand_over_letter(self, held: Claim, letter: Message, outcome: Outcome) -> None:
        """Commit the dead letter to the outbox."""
        with begin(self.engine) as connection:
            connection.execute(outbox_row(letter, held.request.envelope.type))
            copy_outcome(connection, held, outcome)
