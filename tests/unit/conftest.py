"""The program's resources as Pulumi's mock interface sees them."""

import pytest
from millrace.catalog import CATALOG

from infra.__main__ import declare
from infra.offline_engine.recording import Recording, record
from infra.settings import Settings


@pytest.fixture(scope="session")
def config() -> dict[str, str]:
    """The settings of a stack; nothing is reached."""
    login = {"endpoint": "http://127.0.0.1:1", "username": "guest", "password": "top-secret"}
    return login | {"protect": "true", "aws": "false"}


@pytest.fixture(scope="session")
def recording(config: dict[str, str]) -> Recording:
    """One run of the program over the sample catalog."""
    return record(lambda: declare(CATALOG, Settings.load()), stack="test", config=config, known={})
