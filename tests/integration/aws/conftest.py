"""A whole local stack with its AWS door, from the sample catalog, and the command that looks at it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from millrace.catalog import CATALOG

from operations.cli import cli
from operations.local.layout import Layout
from operations.local.localstack import why_not
from operations.local.stack import down, up
from operations.local.stack_record import StackRecord
from tests.integration.operations.local.test_stack import some_ports
from tests.real_servers import missing

Millrace = Callable[..., Any]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    if problem := why_not():
        missing("LocalStack", problem)
    layout = Layout(tmp_path_factory.mktemp("a clone") / "with space" / ".local")
    yield layout
    down(print, layout=layout)


@pytest.fixture(scope="module")
def record(layout: Layout) -> StackRecord:
    record = up(print, catalog=CATALOG, layout=layout, environment={"MILLRACE_ENGINE": "offline", **some_ports()})
    assert "endpoint" in record.aws, record.aws
    return record


@pytest.fixture
def millrace(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Millrace:
    """The command, with JSON out."""
    monkeypatch.setattr("operations.connections.STATE_DIRECTORY", layout.root)

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(cli, [*arguments, "--json"])
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    return run
