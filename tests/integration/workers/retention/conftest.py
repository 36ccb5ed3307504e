"""The stores on which the retention is tested."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from tests.integration.workers.retention.rows import emptied, migrated, weeks
from tests.postgres_server import fresh_database
from workers.database import begin


@pytest.fixture(scope="module")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A migrated SQLite database."""
    with migrated(f"sqlite:///{tmp_path_factory.mktemp('store') / 'millrace.db'}") as engine:
        yield engine


@pytest.fixture(scope="module")
def postgres_store(postgres_url: str) -> Iterator[Engine]:
    """A migrated PostgreSQL database."""
    with fresh_database(postgres_url) as url, migrated(url) as engine:
        yield engine


@pytest.fixture(params=["sqlite_store", "postgres_store"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Empty tables, once on each store; the groups are clear: nothing sent before yesterday waits anywhere."""
    return emptied(request.getfixturevalue(request.param))


@pytest.fixture
def postgres(postgres_store: Engine) -> Engine:
    """Empty tables; the index of accepted events has no partition but the default one."""
    with begin(postgres_store) as connection:
        for name in weeks(postgres_store):
            connection.execute(text(f"DROP TABLE {name}"))
    return emptied(postgres_store)
