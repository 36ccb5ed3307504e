"""The `millrace` command talking to a stack of the test catalog."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from operations.cli import cli
from tests.integration.workers.stack import Stack

Millrace = Callable[..., Result]

_TOLD = ("MILLRACE_BROKER_URL", "MILLRACE_DATABASE_URL", "MILLRACE_MONITORING_URL", "MILLRACE_CATALOG")


@pytest.fixture(scope="module")
def stack(fleet: Stack) -> Stack:
    """All groups' workers, relay and keeper; a module may have a stack of its own instead."""
    return fleet


@pytest.fixture
def millrace(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Millrace:
    """The command as the stack's service `web`, with the monitoring user for what it looks up."""
    monkeypatch.setattr("operations.connections.STATE_DIRECTORY", tmp_path)

    def run(*arguments: str, stdin: str | None = None, **environment: str) -> Result:
        told = {name: stack.environment("service.web")[name] for name in _TOLD}
        return CliRunner().invoke(cli, list(arguments), input=stdin, env={**told, **environment})

    return run
