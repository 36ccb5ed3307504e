"""A stack per test module."""

import uuid
from collections.abc import Iterator

import pytest

from tests.integration.workers.stack import Stack, running
from tests.postgres_server import fresh_database
from tests.real_servers import Broker


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the test catalog on SQLite; nothing runs yet."""
    directory = tmp_path_factory.mktemp("stack")
    with running(Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, _name())) as stack:
        yield stack


@pytest.fixture(scope="module")
def postgres_stack(broker: Broker, postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the test catalog on PostgreSQL; nothing runs yet."""
    with (
        fresh_database(postgres_url) as url,
        running(Stack(broker, url, tmp_path_factory.mktemp("stack"), _name())) as stack,
    ):
        yield stack


def _name() -> str:
    return f"t{uuid.uuid4().hex[:8]}"
