"""Connections to the store: SQLite for one machine, PostgreSQL for real use."""

import math
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from weakref import WeakSet

import psycopg
from millrace.derived import IDLE_TRANSACTION_SECONDS, STATEMENT_SECONDS
from sqlalchemy import Connection, Dialect, Engine, NullPool, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

#: How long those that are in no hurry wait for a lock.
PATIENCE_SECONDS = 30.0
#: The longest that anyone waits for a server to take a connection.
_CONNECT_SECONDS = 10.0
#: A connection that was idle for no longer is used without asking.
_TRUSTED_SECONDS = 1.0
_SINCE = "millrace_idle_since"
#: SQLSTATEs of a server that is not there, full, or not the one that may write; a deadlock is not among them.
_OUTAGES = ("08", "53", "57P", "25006")
_SQLITE_OUTAGES = ("locked", "unable to open", "disk", "readonly")

_WRITING = {"millrace_writing": True}


def connect(
    url: str,
    *,
    patience: float = PATIENCE_SECONDS,
    statement: float = STATEMENT_SECONDS,
    forks: bool = False,
    ping: bool = True,
) -> Engine:
    """An engine for `sqlite:///path` or `postgresql+psycopg://...`; nothing is opened yet.

    `patience` bounds, in seconds, the wait for another's lock, and for the server to take a connection, `statement` how
    long a server works at one statement. With `ping` a server is asked whether it is still there before a connection is
    used again, unless it was used within a second: a server that was started again was away for longer. Without, the
    user tries twice. With `forks`, the process may fork between two transactions: SQLite's file is not open then (its
    locks would be lost in the child, unnoticed by it), and a child keeps no server believing that its parent is there.
    """
    if url.startswith("sqlite"):
        pool = NullPool if forks else None
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": min(patience, 1.0)}, poolclass=pool)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", partial(_begin_sqlite, patience))
        return engine
    wait = math.ceil(min(patience, _CONNECT_SECONDS))
    limits = {
        "statement_timeout": statement,
        "idle_in_transaction_session_timeout": IDLE_TRANSACTION_SECONDS,
        "lock_timeout": patience,
    }
    options = " ".join(f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items())
    settings = {"options": options, "connect_timeout": wait, "tcp_user_timeout": 20_000, "application_name": "millrace"}
    engine = create_engine(url, hide_parameters=True, connect_args=settings, isolation_level="READ COMMITTED")
    if ping:
        event.listen(engine, "checkin", _note_time)
        event.listen(engine, "checkout", partial(_ping, engine.dialect))
    if forks:
        _let_go_in_children(engine)
    return engine


def _note_time(_driver: Any, record: ConnectionPoolEntry) -> None:
    record.info[_SINCE] = time.monotonic()


def _ping(dialect: Dialect, driver: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Ask whether the server is still there, unless it was a moment ago; the pool then takes another connection."""
    since = record.info.get(_SINCE)
    if since is not None and time.monotonic() - since > _TRUSTED_SECONDS and not _answers(dialect, driver):
        raise InvalidatePoolError("the server is not there any more")


def _answers(dialect: Dialect, driver: Any) -> bool:
    try:
        return dialect.do_ping(driver)
    except dialect.dbapi.Error:  # type: ignore[union-attr]
        return False


def _let_go_in_children(engine: Engine) -> None:
    opened: WeakSet[Any] = WeakSet()
    event.listen(engine, "connect", lambda driver, _record: opened.add(driver))

    def let_go() -> None:
        for driver in opened:
            with suppress(psycopg.OperationalError):  # closed already
                os.close(driver.fileno())

    os.register_at_fork(after_in_child=let_go)


def _prepare_sqlite(raw: sqlite3.Connection, _record: Any) -> None:
    """Leave transactions to us; WAL lets readers go on, FULL makes a commit survive a loss of power."""
    raw.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(patience: float, connection: Connection) -> None:
    """A write transaction takes the write lock at once: one that reads first would fail when it comes to write.

    SQLite waits unfairly under load, so its busy error is tried again as long as there is patience.
    """
    if not connection.get_execution_options().get("millrace_writing"):
        connection.exec_driver_sql("BEGIN")
        return
    again = Retrying(
        retry=retry_if_exception(_is_busy),
        stop=stop_after_delay(patience),
        wait=wait_random_exponential(multiplier=0.005, max=0.2),
        reraise=True,
    )
    again(connection.exec_driver_sql, "BEGIN IMMEDIATE")


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and "locked" in str(error.orig)


@contextmanager
def begin(engine: Engine) -> Iterator[Connection]:
    """A write transaction: committed at the end, rolled back on any exception."""
    with engine.connect() as line, transaction(line) as connection:
        yield connection


@contextmanager
def transaction(line: Connection) -> Iterator[Connection]:
    """The same on a connection that is there."""
    connection = line.execution_options(**_WRITING)
    with connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read-only look at what is committed; holds no write lock."""
    with engine.connect() as connection:
        yield connection


def insert_into(dialect: Dialect, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert in a dialect, so that `on_conflict_do_nothing` and its like are there."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


def is_outage(error: Exception) -> bool:
    """Whether the store, not the statement, is at fault: lost, refused, shut down, full or read-only.

    Whoever raised it, SQLAlchemy or the driver itself.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        return any(word in str(original) for word in _SQLITE_OUTAGES)
    if not isinstance(original, psycopg.Error):
        return False
    state = original.sqlstate
    return state.startswith(_OUTAGES) if state else isinstance(original, psycopg.OperationalError)
