"""Stacks of the tests of the lane, on each database."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.workers.lane.catalog import CATALOG
from tests.integration.workers.stack import Stack, prepare_store
from tests.postgres_server import fresh_database
from tests.real_servers import Broker

HERE = "tests.integration.workers.lane"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stack(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack; nothing runs yet."""
    directory = tmp_path_factory.mktemp("stack")
    if request.param == "sqlite":
        yield from up(broker, f"sqlite:///{directory / 'millrace.db'}", directory)
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield from up(broker, url, directory)


def up(broker: Broker, url: str, directory: Path) -> Iterator[Stack]:
    """The stack on a broker and a store; ended and taken down afterwards."""
    prepare_store(url)
    name = f"l{uuid.uuid4().hex[:8]}"
    stack = Stack(broker, url, directory, name, catalog_name=f"{HERE}.catalog:CATALOG", handlers=f"{HERE}.handlers")
    stack.up(CATALOG)
    try:
        yield stack
    finally:
        stack.stop()
        stack.destroy()
