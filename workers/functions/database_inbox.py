"""A function's inbox in PostgreSQL: effects, outcome and outbox in one transaction, as in a worker's pool."""

from millrace.declarations import Catalog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from workers.database import is_outage
from workers.event_work import EventWork
from workers.outgoing import Failure, event_letter
from workers.received import Received
from workers.stores.level import Level
from workers.stores.settlement import Together
from workers.stores.sql import DatabaseStore
from workers.stores.store import Outcome, StoreUnavailable
from workers.verdicts import Claim, Request, Verdict
from workers.work import UnitOfWork


class DatabaseInbox:
    """In the database of the effects; dead letters go through its outbox."""

    level = Level.TRANSACTIONAL

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self._engine = engine
        self._catalog = catalog
        self._store = DatabaseStore(engine)
        self._settlement = Together(self._store)

    def claim(self, request: Request) -> Verdict:
        """Claim the event for one attempt, or say why not; an error of the database is an outage."""
        try:
            return self._store.claim(request)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}"[:300]) from error

    def work(self, held: Claim, *, repeatable: bool) -> EventWork:
        """What the handler talks through."""
        return UnitOfWork(self._engine, self._catalog, held, self._store, repeatable=repeatable)

    def complete(self, held: Claim, work: EventWork | None, outcome: Outcome) -> None:
        """Commit effects, outbox and outcome."""
        assert work is None or isinstance(work, UnitOfWork)
        self._settlement.complete(held, work, outcome)

    def postpone(self, held: Claim, *, seconds: float, error: str) -> None:
        """Record a failed attempt, and that the next one is due in so many seconds."""
        self._store.postpone(held, seconds=seconds, error=error)

    def bury(self, held: Claim, received: Received, failure: Failure, outcome: Outcome) -> None:
        """Commit the outcome and the letter's row in the outbox."""
        asked = held.request
        letter = event_letter(
            asked.envelope, asked.group, failure, generation=received.generation, fingerprint=asked.fingerprint
        )
        self._settlement.bury(held, letter, outcome)

    def is_outage(self, error: Exception) -> bool:
        """Whether the database gave no answer."""
        return isinstance(error, StoreUnavailable) or (isinstance(error, SQLAlchemyError) and is_outage(error))
