"""Connections to PostgreSQL that were used before: an old one is asked whether it lives, one of a moment ago is not."""

from collections.abc import Iterator

import pytest
from millrace.catalog import CATALOG
from millrace.derived import IDLE_TRANSACTION_SECONDS, STORE_SECONDS, timing
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from operations.faults.proxy import Proxy
from tests.postgres_server import by_way_of_proxy, fresh_database
from workers import database
from workers.database import connect, is_outage, reading
from workers.runtime import Runtime
from workers.settings import Settings

ONE = text("SELECT 1")


@pytest.fixture
def line(postgres_url: str) -> Iterator[tuple[Engine, Proxy]]:
    """An engine that has been used, and the line to its server."""
    with fresh_database(postgres_url) as url, by_way_of_proxy(url) as (own, proxy):
        engine = connect(own)
        use(engine)
        yield engine, proxy
        engine.dispose()


def use(engine: Engine) -> None:
    """One transaction."""
    with reading(engine) as connection:
        assert connection.execute(ONE).scalar_one() == 1


def test_an_old_connection_that_was_lost_is_not_used(
    line: tuple[Engine, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, proxy = line
    monkeypatch.setattr(database, "_TRUSTED_SECONDS", 0.0)
    proxy.cut()
    use(engine)


def test_one_of_a_moment_ago_is_not_asked(line: tuple[Engine, Proxy], monkeypatch: pytest.MonkeyPatch) -> None:
    """If it was lost just then, that is told as an outage, and the next one is new."""
    engine, proxy = line
    monkeypatch.setattr(database, "_TRUSTED_SECONDS", 3600.0)
    proxy.cut()
    with pytest.raises(DBAPIError) as lost:
        use(engine)
    assert is_outage(lost.value)
    use(engine)


def test_a_workers_statements_end_when_no_attempt_can_wait_for_them(postgres_url: str) -> None:
    """So PostgreSQL is told of each of its connections; a lock is given up before, an idle transaction ended."""
    group = CATALOG.group("signup")
    with fresh_database(postgres_url) as url:
        runtime = Runtime(Settings(broker_url="amqp://a:b@127.0.0.1/v", database_url=url), CATALOG, group)
        with reading(runtime.engine) as connection:
            names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            told = [connection.execute(text(f"show {name}")).scalar_one() for name in names]
        runtime.engine.dispose()
    assert told == [f"{timing(group).lease:.0f}s", f"{STORE_SECONDS:.0f}s", f"{IDLE_TRANSACTION_SECONDS:.0f}s"]
