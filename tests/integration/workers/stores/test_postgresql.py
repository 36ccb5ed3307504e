"""What is PostgreSQL's own: a server that would forget is refused at start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from millrace import seal
from sqlalchemy import text

from tests.integration.workers.sample_catalog import CATALOG, OrderPlaced
from tests.integration.workers.stack import Stack, prepare_store
from tests.postgres_server import connect_to, fresh_database
from workers.environment import SettingsError
from workers.execution import Execution
from workers.handling import Handler
from workers.migrate import migrate
from workers.received import Received
from workers.runtime import Runtime
from workers.settings import Settings
from workers.stores.sql import LeaseStore
from workers.stores.store import StoreUnfit
from workers.work import UnitOfWork

BROKER = "amqp://u:p@127.0.0.1:1/v"


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database."""
    with fresh_database(postgres_url) as url:
        yield url


def runtime(database: str, inbox: str | None = None) -> Runtime:
    """A worker's runtime that has not begun."""
    settings = Settings(broker_url=BROKER, database_url=database, inbox_url=inbox)
    return Runtime(settings, CATALOG, CATALOG.group("ledger"))


def test_commits_that_a_crash_undoes_are_refused(postgres_url: str, database: str) -> None:
    """In the database of the effects and in one of leases: an event is acked after its commit."""
    migrate(database)
    runtime(database).require_inbox()
    runtime(database, f"{database}?mode=lease").require_inbox()
    name = database.rpartition("/")[2]
    with connect_to(postgres_url, "postgres") as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    with pytest.raises(SettingsError, match="MILLRACE_DATABASE_URL: the database must have synchronous_commit on"):
        runtime(database).require_inbox()
    with pytest.raises(SettingsError, match="MILLRACE_INBOX_URL: the database must have synchronous_commit on"):
        runtime(database, f"{database}?mode=lease").require_inbox()


def ask_for_too_long(_event: OrderPlaced, work: UnitOfWork) -> None:
    """A query that takes longer than the group's longest runtime."""
    work.fetch(text("SELECT pg_sleep(30)"))


@dataclass(frozen=True)
class Slow(Runtime):
    """A runtime with one handler, which asks for too long."""

    @property
    def handlers(self) -> dict[str, Handler[Any]]:
        """The one handler."""
        return {"order.placed": Handler(OrderPlaced, ask_for_too_long)}


def test_a_query_that_overruns_is_an_attempt(stack: Stack, database: str) -> None:
    """Not an outage of the database, though the driver's complaint looks like one."""
    prepare_store(database)
    settings = Settings(broker_url=stack.url("group.ledger"), database_url=database)
    slow, payload = Slow(settings, CATALOG, CATALOG.group("ledger")), OrderPlaced(order_id="slow")
    received = Received(envelope=seal(payload, source="/x", id="slow"), payload=payload)
    report = Execution(slow, received).run()
    slow.sender.close()
    slow.engine.dispose()
    assert (report.outcome, report.note) == ("retrying", "Overran")


def test_a_database_that_is_out_stops_no_worker() -> None:
    """Its events wait in the broker, as they do when it goes out later."""
    runtime("postgresql+psycopg://u:p@127.0.0.1:1/none").require_inbox()


def test_leases_need_their_tables(database: str) -> None:
    """The message says how to make them, and not the password."""
    wanted = r"must be reachable and have Millrace's tables.*workers\.migrate"
    store = LeaseStore.at(f"{database}?mode=lease")
    with closing(store), pytest.raises(StoreUnfit, match=wanted) as said:
        store.check()
    assert ":***@" in str(said.value)
