"""How an attempt ends in a store: its effects and its outcome together, or one after the other."""

from dataclasses import dataclass
from typing import Protocol

from millrace.publishing.message import Message
from millrace.publishing.outbox import outbox_row
from millrace.publishing.sender import Sender

from workers.inbox import Claim
from workers.stores.store import InboxStore, Outcome, TransactionalStore
from workers.work import UnitOfWork


class Settlement(Protocol):
    """Both raise Fenced if the claim was taken over, and one of STORE_ERRORS if the store does not answer."""

    def complete(self, held: Claim, work: UnitOfWork | None, outcome: Outcome) -> None:
        """Keep the work, if any, and record the outcome."""

    def bury(self, held: Claim, letter: Message, outcome: Outcome) -> None:
        """Dead-letter the event, and record that."""


@dataclass(frozen=True)
class Together:
    """One transaction for all of it: the relay sends what was published, and the dead letter."""

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
    """What is sent is confirmed first, recorded afterwards: cut in between, it is sent again with the same id."""

    store: InboxStore
    sender: Sender

    def complete(self, held: Claim, work: UnitOfWork | None, outcome: Outcome) -> None:
        """Send what was published, then record the outcome; raises PublishError, too."""
        messages = work.messages if work is not None else []
        if messages:
            self.store.require_held(held)  # a stale holder is stopped here; what slips through is absorbed by its id
            send_all(self.sender, messages)
        self.store.complete(held, outcome)

    def bury(self, held: Claim, letter: Message, outcome: Outcome) -> None:
        """Forbid further attempts, send the letter, then record the outcome; raises PublishError, too.

        Cut in between, the next delivery finds no attempt left and buries the event, so that none runs it again.
        """
        self.store.exhaust(held, error=outcome.error or "")
        self.sender.send_one(letter)
        self.store.complete(held, outcome)


def send_all(sender: Sender, messages: list[Message]) -> None:
    """Send messages; raises the first PublishError if not all were confirmed."""
    for error in sender.send(messages):
        if error is not None:
            raise error
