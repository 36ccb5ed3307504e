"""Connections to PostgreSQL that were used before: an old one is asked whether it lives, one of a moment ago is not."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from operations.faults.proxy import Proxy
from tests.postgres_server import by_way_of_proxy, fresh_database
from workers import database
from workers.database import connect, is_outage, reading

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
