"""A stack at the run's RabbitMQ, applied by the offline engine, and a look into its queues."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.millrace.stack import Stack, applied_stack
from tests.real_servers import Broker


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The sample catalog's stack, for all tests of a module."""
    state: Path = tmp_path_factory.mktemp("state")
    with applied_stack(broker, state) as one:
        yield one


@pytest.fixture(autouse=True)
def empty_queues(request: pytest.FixtureRequest) -> None:
    """Where a test uses the module's stack, nothing of the test before is left in it."""
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").purge()
