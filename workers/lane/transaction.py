"""The one transaction of a batch: claims, effects, outbox rows and outcomes."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

import structlog
from millrace.derived import COMMIT_SECONDS, LEAST_SENDING_SECONDS, STORE_SECONDS
from millrace.publishing.outbox import add_messages
from sqlalchemy import Connection, Engine
from sqlalchemy.sql.compiler import SQLCompiler

from workers.database import is_outage, transaction
from workers.lane.claims import claim_all, claim_all_or_fail, claim_parameters
from workers.lane.patience import cut_after
from workers.lane.running import Ran
from workers.statements import Prepared, preparer, ready
from workers.work import UnitOfWork

log = structlog.get_logger("millrace.lane")

Key = tuple[str, str]


class Taken(Exception):
    """Some of the events are on record already: nothing was committed. `free` are the keys of those that are not."""

    def __init__(self, free: frozenset[Key]) -> None:
        super().__init__("some events are on record already")
        self.free = free


@dataclass(frozen=True)
class Sent:
    """A transaction that is on its way with its commit; what the server has said of it was not looked at yet."""

    line: Connection
    open: ExitStack

    def end(self, until: float) -> None:
        """Await the answers; raises if it was not committed, or if nobody can tell."""
        with self.line, cut_after(_left(until), self.line):
            self.open.close()


@dataclass(frozen=True)
class Parts:
    """What a transaction is made of: the claims' parameters, and the works, whose statements are prepared.

    Attributes:
        claims: None where no record is kept.
        works: those whose statements are all in `together`.
        apart: those that have others, too.
    """

    claims: dict[str, Any] | None
    together: list[Prepared]
    works: list[UnitOfWork]
    apart: list[UnitOfWork]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that must be committed."""
        return self.claims is None and not (self.together or self.apart or any(work.publishes for work in self.works))


class Transactions:
    """Commits what has run, all or nothing; what is not `recorded` leaves its effects only (decision 0507)."""

    def __init__(self, engine: Engine, *, recorded: bool = True) -> None:
        self._engine = engine
        self._recorded = recorded
        dialect = engine.dialect
        self._preparer = preparer(dialect)
        self._claim = claim_all(dialect).compile(dialect=dialect)
        # Only what goes to a server is sent ahead; what is None is committed at once.
        ahead = dialect.name == "postgresql"
        self._claim_or_fail = claim_all_or_fail(dialect).compile(dialect=dialect) if ahead else None

    def send(self, ran: Sequence[Ran], until: float) -> Sent | None:
        """Send it all, with a commit that takes place only if all events are free, and do not wait.

        None if there is nothing to wait for: where a statement's result is looked at, and on SQLite, it was committed
        at once. Raises as `commit` does.
        """
        parts = self._parts(ran)
        if parts.is_empty or parts.apart or self._claim_or_fail is None:
            self._commit(parts, until)
            return None
        line = self._engine.connect()
        try:
            with cut_after(_left(until), line), ExitStack() as stack:
                connection = stack.enter_context(transaction(line))
                stack.enter_context(_pipeline(connection))
                _written(connection, self._claim_or_fail, parts)
                _cursor(connection).execute("COMMIT", prepare=False)
                return Sent(line, stack.pop_all())
        except BaseException:
            line.close()
            raise

    def commit(self, ran: Sequence[Ran], until: float | None = None) -> None:
        """Commit it all; raises Taken, or what the database or a statement raises, and then nothing is acked.

        On PostgreSQL all goes to the server in one round trip, but for the statements whose result is looked at. What
        was committed on a line that was lost meanwhile is found on record when it is tried again.
        """
        self._commit(self._parts(ran), time.monotonic() + COMMIT_SECONDS if until is None else until)

    def _commit(self, parts: Parts, until: float) -> None:
        if parts.is_empty:
            return
        try:
            self._try(parts, until)
        except Exception as error:
            if not is_outage(error) or is_too_late(error, until):
                raise
            log.info("lost a line to the database, trying another", error=type(error).__name__)
            self._try(parts, until)

    def _try(self, parts: Parts, until: float) -> None:
        with (
            self._engine.connect() as line,
            cut_after(_left(until), line),
            transaction(line) as connection,
        ):
            with _pipeline(connection):
                claimed = _written(connection, self._claim, parts)
            if parts.claims is not None:
                _require_all(frozenset((source, id_) for source, id_ in claimed.fetchall()), parts.claims["events"])
            for work in parts.apart:
                work.flush(connection)

    def _parts(self, ran: Sequence[Ran]) -> Parts:
        ended = [(held, each.outcome) for each in ran for held in each.held]
        claims = {**claim_parameters(ended), "events": len(ended)} if self._recorded else None
        parts = Parts(claims, [], [], [])
        for work in (each.work for each in ran if each.work is not None):
            own = [self._preparer.prepare(deferred) for deferred in work.statements]
            known = [statement for statement in own if statement is not None]
            if len(known) == len(own):
                parts.together.extend(known)
                parts.works.append(work)
            else:
                parts.apart.append(work)
        return parts


def is_too_late(error: Exception, until: float) -> bool:
    """Whether an outage has left too little of a commit's time to try another line."""
    return is_outage(error) and time.monotonic() > until - STORE_SECONDS


def _written(connection: Connection, claim: SQLCompiler, parts: Parts) -> Any:
    """Execute the claim, if there is one, and statements, add what the works publish; gives the claim's cursor."""
    claiming = _cursor(connection)
    if parts.claims is not None:
        prepared = ready(claim, parts.claims)
        claiming.execute(prepared.text, prepared.parameters)
    for text, several in groupby(parts.together, key=attrgetter("text")):
        _cursor(connection).executemany(text, [each.parameters for each in several])
    add_messages(connection, [each for work in parts.works for each in work.messages])
    return claiming


def _left(until: float) -> float:
    return max(LEAST_SENDING_SECONDS, until - time.monotonic())


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
