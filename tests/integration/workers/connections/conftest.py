"""A stack of the tests of connections."""

import uuid
from collections.abc import Iterator

import pytest

from tests.integration.workers.connections.catalog import CATALOG
from tests.integration.workers.stack import Stack, prepare_store
from tests.real_servers import Broker


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack on SQLite; nothing runs yet."""
    directory = tmp_path_factory.mktemp("stack")
    here = "tests.integration.workers.connections"
    stack = Stack(
        broker,
        f"sqlite:///{directory / 'millrace.db'}",
        directory,
        f"c{uuid.uuid4().hex[:8]}",
        catalog_name=f"{here}.catalog:CATALOG",
        handlers=f"{here}.handlers",
    )
    prepare_store(stack.database_url)
    stack.up(CATALOG)
    try:
        yield stack
    finally:
        stack.stop()
        stack.destroy()
