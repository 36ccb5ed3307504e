"""Fixtures that every test may use: an own RabbitMQ, an own PostgreSQL, fresh vhosts and databases."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from operations.faults.postgres import find_postgres
from operations.local.localstack import why_not
from tests.localstack_server import Aws, fresh_account, running_localstack
from tests.postgres_server import fresh_database, running_postgres
from tests.processes_left import processes_left
from tests.real_servers import Broker, missing, own_broker

#: The management API shows what is so now, or was at most a second ago (the broker's own choice: five).
FRESH_STATISTICS = "collect_statistics_interval = 1000"

# `pytest --hypothesis-profile=full --timeout=0 -k properties` draws 100,000 cases and more. Slowness is no failure.
_slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("quick", max_examples=100, deadline=None, suppress_health_check=_slow)
settings.register_profile("full", max_examples=10_000, deadline=None, suppress_health_check=_slow)
settings.load_profile("quick")


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The run fails if a process of it goes on after the last test, or a link to its files stays."""
    yield
    directory = tmp_path_factory.getbasetemp()
    assert processes_left(directory) == []
    links = [path for path in Path(tempfile.gettempdir()).glob("millrace-*") if path.is_symlink()]
    assert [link for link in links if link.readlink().is_relative_to(directory)] == []


@pytest.fixture(autouse=True)
def no_log_handler_is_left() -> Iterator[None]:
    """One that a test leaves writes to a stream that is closed by then, in whatever test comes later."""
    yield
    left = [one for one in logging.root.handlers if not type(one).__module__.startswith("_pytest")]
    for one in left:
        logging.root.removeHandler(one)
    assert left == []


@pytest.fixture(scope="session")
def broker_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run's own RabbitMQ lies: in a path with a space, as a clone may be."""
    directory: Path = tmp_path_factory.mktemp("broker") / "a clone"
    return directory


@pytest.fixture(scope="session")
def broker(broker_directory: Path) -> Iterator[Broker]:
    """The run's own RabbitMQ, started at first use."""
    with own_broker(broker_directory, (FRESH_STATISTICS,)) as (running, _control):
        yield running


@pytest.fixture(scope="module")
def vhost(broker: Broker) -> Iterator[str]:
    """An empty vhost per test module; nothing is applied to it."""
    with broker.fresh_vhost() as name:
        yield name


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The run's own PostgreSQL, started at first use: a SQLAlchemy URL without a database name."""
    programs = find_postgres()
    if programs is None:
        missing("PostgreSQL", "`make test` as root installs it; else install postgresql.")
    with running_postgres(programs) as url:
        yield url


@pytest.fixture(scope="session")
def localstack() -> Iterator[str]:
    """The run's own LocalStack, started at first use: its endpoint."""
    problem = why_not()
    if problem:
        missing("LocalStack", problem)
    with running_localstack() as url:
        yield url


@pytest.fixture
def aws(localstack: str) -> Aws:
    """An empty account at the run's LocalStack."""
    return fresh_account(localstack)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, empty database, once on each store: a SQLAlchemy URL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'millrace.db'}"
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield url
