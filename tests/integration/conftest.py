"""Two stacks with all their processes, for the tests of a whole run that do not disturb each other."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.stack import Stack, running
from tests.postgres_server import fresh_database
from tests.real_servers import Broker

GROUPS = ("ledger", "flaky", "fragile")


@pytest.fixture(scope="session")
def fleet(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Workers of all groups, relay and keeper on SQLite.

    Two events have crashed their processes from the start (`test_retries`): their leases end while others test.
    """
    directory = tmp_path_factory.mktemp("fleet")
    with _fleet(Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, _name())) as stack:
        with stack.publisher() as publisher:
            for how in ("segfault", "segfault once"):
                publisher.publish(OrderPlaced(order_id=how, how=how), id=how.replace(" ", "-"))
        yield stack


@pytest.fixture(scope="session")
def postgres_fleet(broker: Broker, postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Workers of all groups, relay and keeper on PostgreSQL."""
    with (
        fresh_database(postgres_url) as url,
        _fleet(Stack(broker, url, tmp_path_factory.mktemp("fleet"), _name())) as stack,
    ):
        yield stack


@contextmanager
def _fleet(stack: Stack) -> Iterator[Stack]:
    with running(stack):
        for group in GROUPS:
            stack.start_worker(group)
        stack.start_relay()
        stack.start_keeper()
        stack.consuming(*GROUPS)
        yield stack


def _name() -> str:
    return f"f{uuid.uuid4().hex[:8]}"
