"""The one transaction of a batch: claims, effects, outbox rows and outcomes."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

import structlog
from millrace.derived import COMMIT_SECONDS, STORE_SECONDS
from millrace.publishing.outbox import add_messages
from sqlalchemy import Connection, Engine

from workers.database import is_outage, transaction
from workers.lane.claims import claim_all, claim_parameters
from workers.lane.patience import cut_after
from workers.lane.running import Ran
from workers.lane.statements import Prepared, Preparer, ready
from workers.work import UnitOfWork

log = structlog.get_logger("millrace.lane")

Key = tuple[str, str]
#: What a second try has, though the first one has used up all.
_LEAST_SECONDS = 0.1


class Taken(Exception):
    """Some of the events are on record already: nothing was committed. `free` are the keys of those that are not."""

    def __init__(self, free: frozenset[Key]) -> None:
        super().__init__("some events are on record already")
        self.free = free


class Transactions:
    """Commits what has run, all or nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._preparer = Preparer(engine.dialect)
        self._claim = claim_all(engine.dialect.name).compile(dialect=engine.dialect)

    def commit(self, ran: Sequence[Ran]) -> None:
        """Commit it all; raises Taken, or what the database or a statement raises, and then nothing is acked.

        On PostgreSQL all goes to the server in one round trip, but for the statements whose result is looked at. What
        was committed on a line that was lost meanwhile is found on record when it is tried again.
        """
        until = time.monotonic() + COMMIT_SECONDS
        try:
            self._commit(ran, until)
        except Exception as error:
            if not is_outage(error) or time.monotonic() > until - STORE_SECONDS:
                raise
            log.info("lost a line to the database, trying another", error=type(error).__name__)
            self._commit(ran, until)

    def _commit(self, ran: Sequence[Ran], until: float) -> None:
        ended = [(held, each.outcome) for each in ran for held in each.held]
        claim = ready(self._claim, claim_parameters(self._engine.dialect.name, ended))
        works = [each.work for each in ran if each.work is not None]
        together, apart = self._prepared(works)
        with (
            self._engine.connect() as line,
            cut_after(max(_LEAST_SECONDS, until - time.monotonic()), line),
            transaction(line) as connection,
        ):
            claimed = _written(connection, claim, together, [work for work in works if work not in apart])
            _require_all(claimed, len(ended))
            for work in apart:
                work.flush(connection)

    def _prepared(self, works: Sequence[UnitOfWork]) -> tuple[list[Prepared], list[UnitOfWork]]:
        """The statements that can be sent at once, and the works that have others, too."""
        together: list[Prepared] = []
        apart: list[UnitOfWork] = []
        for work in works:
            own = [self._preparer.prepare(deferred) for deferred in work.statements]
            known = [statement for statement in own if statement is not None]
            if len(known) == len(own):
                together += known
            else:
                apart.append(work)
        return together, apart


def _written(
    connection: Connection, claim: Prepared, statements: Sequence[Prepared], works: Sequence[UnitOfWork]
) -> frozenset[Key]:
    """Execute claim and statements, and add what the works publish; gives the keys that were free."""
    with _pipeline(connection):
        claiming = _cursor(connection)
        claiming.execute(claim.text, claim.parameters)
        for text, several in groupby(statements, key=attrgetter("text")):
            _cursor(connection).executemany(text, [each.parameters for each in several])
        add_messages(connection, [each for work in works for each in work.messages])
    return frozenset((source, id_) for source, id_ in claiming.fetchall())


def _require_all(claimed: frozenset[Key], events: int) -> None:
    """Raise Taken unless so many events were free."""
    if len(claimed) < events:
        raise Taken(claimed)


def _cursor(connection: Connection) -> Any:
    return connection.connection.cursor()


def _pipeline(connection: Connection) -> AbstractContextManager[Any]:
    """Let statements be sent without awaiting each one's answer; what one of them raises is raised at the end."""
    driver: Any = connection.connection.driver_connection
    return cast(AbstractContextManager[Any], driver.pipeline()) if hasattr(driver, "pipeline") else nullcontext()
