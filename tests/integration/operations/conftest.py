"""A stack of the test catalog, and the `millrace` command talking to it."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from operations.cli import cli
from tests.integration.workers.stack import Stack, prepare_store
from tests.postgres_server import fresh_database
from tests.real_servers import Broker

Millrace = Callable[..., Result]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stack(request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on each store; no process runs yet."""
    directory: Path = tmp_path_factory.mktemp("stack")
    if request.param == "sqlite":
        yield from _brought_up(Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, _name()))
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield from _brought_up(Stack(broker, url, directory, _name()))


def _name() -> str:
    return f"o{uuid.uuid4().hex[:8]}"


def _brought_up(stack: Stack) -> Iterator[Stack]:
    prepare_store(stack.database_url)
    stack.up()
    try:
        yield stack
    finally:
        stack.stop()
        stack.destroy()


@pytest.fixture
def millrace(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Millrace:
    """The command as the stack's service `web`, with the monitoring user for what it looks up."""
    monkeypatch.setattr("operations.connections.STATE_DIRECTORY", tmp_path)

    def run(*arguments: str, stdin: str | None = None, **environment: str) -> Result:
        told = {name: stack.environment("service.web")[name] for name in _TOLD}
        return CliRunner().invoke(cli, list(arguments), input=stdin, env={**told, **environment})

    return run


_TOLD = ("MILLRACE_BROKER_URL", "MILLRACE_DATABASE_URL", "MILLRACE_MONITORING_URL", "MILLRACE_CATALOG")
