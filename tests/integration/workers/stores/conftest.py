"""The servers of the stores, and a bench for each store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.dynamodb_server import CREDENTIALS, fresh_table, running_dynamodb
from tests.integration.workers.stores.bench import Bench
from tests.integration.workers.stores.benches import bench_at
from tests.postgres_server import fresh_database
from tests.real_servers import missing
from tests.redis_server import RedisServer, find_redis, running_redis

STORES = ("sqlite", "postgresql", "lease", "dynamodb", "redis")


@pytest.fixture(scope="session")
def redis_program() -> str:
    """Redis' server program."""
    program = find_redis()
    if program is None:
        missing("Redis", "`make test` as root installs it; else install redis-server.")
    return program


@pytest.fixture(scope="session")
def redis_server(redis_program: str) -> Iterator[RedisServer]:
    """The run's own Redis, started at first use."""
    with running_redis(redis_program) as server:
        yield server


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """The run's own stand-in for DynamoDB, started at first use."""
    with running_dynamodb() as endpoint, pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield endpoint


@pytest.fixture(scope="module", params=STORES)
def store_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty store, of each kind in turn."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path_factory.mktemp('store') / 'inbox.db'}"
        elif request.param == "redis":
            yield request.getfixturevalue("redis_server").url
        elif request.param == "dynamodb":
            yield stack.enter_context(fresh_table(request.getfixturevalue("dynamodb_endpoint")))
        else:
            url = stack.enter_context(fresh_database(request.getfixturevalue("postgres_url")))
            yield f"{url}?mode=lease" if request.param == "lease" else url


@pytest.fixture(scope="module")
def module_bench(store_url: str) -> Iterator[Bench]:
    """The bench of a store."""
    with bench_at(store_url) as bench:
        yield bench


@pytest.fixture
def bench(module_bench: Bench) -> Bench:
    """A bench whose events are this test's own."""
    return Bench(module_bench.open, module_bench.pass_time, keys=module_bench.keys)


@pytest.fixture
def own_sqlite(tmp_path: Path) -> str:
    """An empty SQLite database."""
    return f"sqlite:///{tmp_path / 'inbox.db'}"
