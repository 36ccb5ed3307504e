"""A stack per test module."""

import uuid
from collections.abc import Iterator

import pytest

from tests.integration.workers.stack import Stack, prepare_store
from tests.postgres_server import fresh_database
from tests.real_servers import Broker


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the test catalog on SQLite; nothing runs yet."""
    directory = tmp_path_factory.mktemp("stack")
    yield from running(Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, _name()))


@pytest.fixture(scope="module")
def postgres_stack(broker: Broker, postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the test catalog on PostgreSQL; nothing runs yet."""
    with fresh_database(postgres_url) as url:
        yield from running(Stack(broker, url, tmp_path_factory.mktemp("stack"), _name()))


def running(stack: Stack) -> Iterator[Stack]:
    """Bring a stack up, and down again."""
    prepare_store(stack.database_url)
    stack.up()
    try:
        yield stack
    finally:
        stack.stop()
        stack.destroy()


def _name() -> str:
    return f"t{uuid.uuid4().hex[:8]}"
