"""What is PostgreSQL's own: a server that would forget is refused at start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.integration.workers.sample_catalog import CATALOG
from tests.postgres_server import connect_to, fresh_database
from workers.migrate import migrate
from workers.runtime import Runtime
from workers.settings import Settings, SettingsError
from workers.stores.sql import LeaseStore
from workers.stores.store import StoreUnfit

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
