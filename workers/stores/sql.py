"""The inbox in a database: TRANSACTIONAL in the database of the effects, FENCED in another one (leases)."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Self

from millrace.derived import STORE_SECONDS
from millrace.publishing.store_clock import store_now
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, insert, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from workers import inbox
from workers.database import begin, connect, reading
from workers.stores.level import Level
from workers.stores.store import DONE, INTENDED, Call, Outcome, StoreUnfit, WrongInboxUrl
from workers.tables import external_calls
from workers.tables import inbox as inbox_table
from workers.verdicts import Claim, Recorded, Request, Verdict

#: Without these a server forgets commits that it has confirmed.
_DURABLE = ("fsync", "synchronous_commit")


class LeaseStore:
    """The inbox in a PostgreSQL of its own: each step is one transaction, effects lie elsewhere."""

    level: ClassVar[Level] = Level.FENCED
    paced: ClassVar[bool] = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: Commits each statement by itself; SQLite must wait for its write lock in a way of ours (workers.database).
        is_postgres = engine.dialect.name == "postgresql"
        self._at_once = engine.execution_options(isolation_level="AUTOCOMMIT") if is_postgres else None

    @property
    def engine(self) -> Engine:
        """The database."""
        return self._engine

    @classmethod
    def require_url(cls, url: str) -> None:
        """Raise WrongInboxUrl unless it is a PostgreSQL URL that says `mode=lease`."""
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # the text may hold a password, so it is not said
            raise WrongInboxUrl("must be a SQLAlchemy URL, got another form") from None
        if parsed.query.get("mode") != "lease":
            raise WrongInboxUrl(
                "must say ?mode=lease: the effects are not in that database (leave it unset for an inbox in the "
                "database of the effects)"
            )

    @classmethod
    def at(cls, url: str) -> Self:
        """The store at a URL with `mode=lease`; nothing is opened yet."""
        address = make_url(url).difference_update_query(["mode"]).render_as_string(hide_password=False)
        return cls(connect(address, patience=STORE_SECONDS))

    def check(self) -> None:
        """Raise StoreUnfit unless the tables are there, and the server keeps what it has confirmed."""
        try:
            with reading(self._engine) as connection:
                connection.execute(select(inbox_table.c.fence).limit(0))
                connection.execute(select(external_calls.c.state).limit(0))
                _require_durable(connection)
        except SQLAlchemyError as error:
            where = self._engine.url.render_as_string(hide_password=True)
            raise StoreUnfit(
                f"the inbox store {where} must be reachable and have Millrace's tables, got {type(error).__name__}; "
                f"`python -m workers.migrate` with MILLRACE_DATABASE_URL set to it makes them"
            ) from error

    def claim(self, request: Request) -> Verdict:
        """Claim the event for one attempt, or say why not."""
        first = self._claim_first(request)
        if first is not None:
            return first
        with begin(self._engine) as connection:  # which may find the record gone, and make the first claim after all
            return inbox.claim(connection, request)

    def _claim_first(self, request: Request) -> Claim | None:
        """Claim an event that nobody has on record, which most are, in one round trip; None if it must be looked at."""
        if self._at_once is None:
            return None
        with self._at_once.connect() as connection:
            return inbox.claim_first(connection, request)

    def complete(self, held: Claim, outcome: Outcome) -> None:
        """Record the outcome."""
        with begin(self._engine) as connection:
            record(connection, held, outcome)

    def postpone(self, held: Claim, *, seconds: float, error: str) -> None:
        """Record a failed attempt, and when the next one is due."""
        with begin(self._engine) as connection:
            inbox.postpone(connection, held, seconds=seconds, error=error)

    def exhaust(self, held: Claim, *, error: str) -> None:
        """Record that no attempt may follow this one."""
        with begin(self._engine) as connection:
            inbox.exhaust(connection, held, error=error)

    def require_held(self, held: Claim) -> None:
        """Do nothing if the claim is still the latest."""
        with begin(self._engine) as connection:
            inbox.require_held(connection, held)

    def look(self, group: str, source: str, event_id: str) -> Recorded | None:
        """What is on record."""
        with reading(self._engine) as connection:
            return inbox.look(connection, group, source, event_id)

    def intend(self, held: Claim, name: str, provider_key: str) -> Call | None:
        """Record that a call is about to be made, unless one of this name is on record already."""
        with begin(self._engine) as connection:
            inbox.require_held(connection, held)
            earlier = connection.execute(select(external_calls).where(_named(held, name))).one_or_none()
            if earlier is not None:
                return Call(state=earlier.state, result=earlier.result)
            _record_intent(connection, held, name, provider_key)
            return None

    def withdraw(self, held: Claim, name: str) -> None:
        """Take an intent back."""
        with begin(self._engine) as connection:
            inbox.require_held(connection, held)
            connection.execute(delete(external_calls).where(_named(held, name)))

    def record_call(self, held: Claim, name: str, result: Any) -> None:
        """Record that a call was made."""
        with begin(self._engine) as connection:
            done = {"state": DONE, "result": result, "updated_at": store_now()}
            connection.execute(update(external_calls).where(_named(held, name)).values(done))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


class DatabaseStore(LeaseStore):
    """The inbox in the database of the effects, PostgreSQL or SQLite."""

    level: ClassVar[Level] = Level.TRANSACTIONAL

    def check_durability(self) -> None:
        """Raise StoreUnfit if the server would forget what it has confirmed; one that is out is not asked.

        A message is acked once its effects are committed: if a crash undoes the commit, the event is lost.
        """
        if self._engine.dialect.name != "postgresql":
            return  # SQLite is told by ourselves (workers.database)
        with suppress(SQLAlchemyError), reading(self._engine) as connection:
            _require_durable(connection)

    @contextmanager
    def completing(self, held: Claim, outcome: Outcome) -> Iterator[Connection]:
        """The one transaction of effects, outcome and outbox: the outcome is added when the body has ended well."""
        with begin(self._engine) as connection:
            yield connection
            record(connection, held, outcome)


def _require_durable(connection: Connection) -> None:
    for name in _DURABLE:
        if connection.execute(text(f"SHOW {name}")).scalar_one() == "off":
            raise StoreUnfit(f"the database must have {name} on, got off: a crash would undo what it has confirmed")


def record(connection: Connection, held: Claim, outcome: Outcome) -> None:
    """Add the outcome to a transaction; raises Fenced if the claim was taken over."""
    inbox.complete(connection, held, outcome.state, milliseconds=outcome.milliseconds, error=outcome.error)


def _named(held: Claim, name: str) -> ColumnElement[bool]:
    table, event = external_calls.c, held.request.envelope
    mine = and_(table.group_name == held.request.group, table.source == event.source, table.event_id == event.id)
    return and_(mine, table.name == name)


def _record_intent(connection: Connection, held: Claim, name: str, provider_key: str) -> None:
    values = {
        "group_name": held.request.group,
        "source": held.request.envelope.source,
        "event_id": held.request.envelope.id,
        "name": name,
        "provider_key": provider_key,
        "state": INTENDED,
        "updated_at": store_now(),
    }
    connection.execute(insert(external_calls).values(values))
