"""The unit of work whose writes and publishes are deferred to the event's transaction in the database."""

from collections.abc import Mapping, Sequence
from typing import Any

from millrace.declarations import Catalog
from millrace.errors import Retryable
from millrace.publishing.outbox import add_messages
from sqlalchemy import Connection, CursorResult, Engine, Executable, Row

from workers.database import reading
from workers.event_work import EventWork
from workers.statements import Deferred, preparer
from workers.stores.level import Level, LevelTooLow
from workers.stores.sql import DatabaseStore
from workers.stores.store import InboxStore
from workers.verdicts import Claim


class Overtaken(Retryable):
    """A deferred statement did not change the number of rows it was to change: look again."""


class UnitOfWork(EventWork):
    """The work of one event: reads now, writes and publishes deferred to the event's one transaction.

    `store` is where the event is claimed, by default in the database; `repeatable` lets calls outside be made even
    though the store may forget them.
    """

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        held: Claim,
        store: InboxStore | None = None,
        *,
        repeatable: bool = False,
    ) -> None:
        super().__init__(catalog, held, store or DatabaseStore(engine), repeatable=repeatable)
        self._engine = engine
        #: what was deferred, in order
        self.statements: list[Deferred] = []

    def fetch(self, statement: Executable) -> Sequence[Row[Any]]:
        """Run a query now, outside any transaction of the event, and return its rows."""
        with reading(self._engine) as connection:
            return connection.execute(statement).fetchall()

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, *, rows: int | None = None
    ) -> None:
        """Defer a statement to the event's transaction; one that is made once, and given parameters, costs least.

        With `rows`, it must change just so many rows, else nothing is kept and the event is tried again. Raises
        LevelTooLow if the inbox is not in the database: the statement and the outcome could not commit together.
        """
        if self._store.level < Level.TRANSACTIONAL:
            raise LevelTooLow(f"work.execute must have an inbox in the database, got a {self._store.level.name} store")
        self.statements.append(Deferred(statement, parameters, rows))

    def flush(self, connection: Connection) -> None:
        """Run what was deferred, in order; the engine calls this, in the transaction that records the outcome."""
        prepare = preparer(connection.dialect).prepare
        for deferred in self.statements:
            prepared = prepare(deferred)
            if prepared is None:
                _execute(connection, deferred)
            else:
                prepared.run(connection)
        add_messages(connection, self.messages)


def _execute(connection: Connection, deferred: Deferred) -> None:
    rows = deferred.rows
    options = {"preserve_rowcount": rows is not None}
    result = connection.execute(deferred.statement, deferred.parameters, execution_options=options)
    if rows is not None and isinstance(result, CursorResult) and result.rowcount != rows:
        raise Overtaken(f"a statement changed {result.rowcount} rows, {rows} were expected")
