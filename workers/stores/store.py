"""The contract of every store of the inbox; tests/integration/workers/stores/contract.py tests each against it."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from workers.stores.level import Level
from workers.verdicts import Claim, Recorded, Request, Verdict

if TYPE_CHECKING:  # a store outside the database is used without its library
    from sqlalchemy import Connection


class WrongInboxUrl(ValueError):
    """MILLRACE_INBOX_URL names no store."""


class StoreUnavailable(Exception):
    """The store gave no answer: whether the last write was made is not known."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended: a final state, or dead-lettered, with the reason and the handler's milliseconds."""

    state: str
    milliseconds: float
    error: str | None = None


#: How long a store apart from the effects keeps an outcome, in seconds: twice the longest delay of a retry. In
#: DynamoDB it takes the table's time-to-live to be switched on.
RETENTION_SECONDS = 60 * 24 * 3600

#: A dead letter may be replayed for so long after its outcome, in seconds: the fortnight that is left is for the
#: replay's way to a worker, for clocks that differ, and for DynamoDB's, which is up to a lease (14 hours) behind.
REPLAYABLE_SECONDS = RETENTION_SECONDS - 14 * 24 * 3600

#: The states of a call outside the store.
INTENDED, DONE = "intended", "done"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call outside the store that an earlier attempt began: intended or done, then with its result."""

    state: str
    result: Any = None


class InboxStore(Protocol):
    """Who may run an event, and what became of it; made once per process, after the fork.

    Every method but `claim`, `look` and `record_call` raises Fenced unless the claim is still the latest and running.
    All raise StoreUnavailable, or what the database's library raises, if the store does not answer. No decision
    compares the clocks of two machines.
    """

    level: ClassVar[Level]
    #: whether a copy that comes before its retry is due is told to wait (a store without a clock cannot tell)
    paced: ClassVar[bool]

    @classmethod
    def require_url(cls, url: str) -> None:
        """Raise WrongInboxUrl unless the URL is one of this store's; nothing is opened."""

    @classmethod
    def at(cls, url: str) -> Self:
        """The store at the URL, not connected yet."""

    def check(self) -> None:
        """Raise StoreUnfit unless the store is there and set up so that it can keep its level."""

    def claim(self, request: Request) -> Verdict:
        """Claim the event for one attempt, or say why not."""

    def complete(self, held: Claim, outcome: Outcome) -> None:
        """Record the outcome."""

    def postpone(self, held: Claim, *, seconds: float, error: str) -> None:
        """Record a failed attempt, and that the next one is due in so many seconds."""

    def exhaust(self, held: Claim, *, error: str) -> None:
        """Record that no attempt may follow this one, which goes on to be dead-lettered."""

    def require_held(self, held: Claim) -> None:
        """Do nothing if the claim is still the latest."""

    def look(self, group: str, source: str, event_id: str) -> Recorded | None:
        """What is on record, for people and tests."""

    def intend(self, held: Claim, name: str, provider_key: str) -> Call | None:
        """Record that a call is about to be made, unless one of this name is on record already: then that one."""

    def withdraw(self, held: Claim, name: str) -> None:
        """Take an intent back: the call certainly had no effect."""

    def record_call(self, held: Claim, name: str, result: Any) -> None:
        """Record that a call was made; true whoever holds the event now, so it is not fenced."""

    def close(self) -> None:
        """Close all connections."""


class TransactionalStore(InboxStore, Protocol):
    """A store in the database of the effects."""

    def completing(self, held: Claim, outcome: Outcome) -> AbstractContextManager["Connection"]:
        """The one transaction of effects, outcome and outbox: the outcome is added when the body has ended well."""


class StoreUnfit(Exception):
    """The store is not there, or not set up so that it can keep what its level promises."""
