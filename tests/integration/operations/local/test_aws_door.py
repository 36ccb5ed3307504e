"""A LocalStack that does not come up: told with its reason, taken out, and nothing else is harmed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.local.aws_door import LocalAws, start_aws, wait_for_aws
from operations.local.daemon import apply_fleet, fleet_specs, running, start_supervisor, stop_supervisor
from operations.local.layout import Layout
from operations.local.localstack import NAME, endpoint
from operations.local.ports import free_ports
from operations.local.process_spec import ProcessSpec
from tests.integration.workers.stack import until


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path / ".local")
    start_supervisor(layout)
    yield layout
    stop_supervisor(layout)


def python(name: str, program: str) -> ProcessSpec:
    return ProcessSpec(name=name, argv=(sys.executable, "-c", program), cwd="/")


def test_one_that_ends_again_and_again_is_taken_out_and_its_last_words_are_told(layout: Layout) -> None:
    other = python("broker", "import time; time.sleep(600)")
    apply_fleet(layout, [other])
    noted = {"endpoint": endpoint(free_ports(1)[0]), "region": "us-east-1", "account": "123456789012"}
    aws = LocalAws(noted=noted, processes=(python(NAME, "raise SystemExit('no room on the device')"),))
    start_aws(aws, layout)
    said: list[str] = []
    found = wait_for_aws(aws, layout, said.append)
    assert (found.is_there, found.processes) == (False, ())
    [line] = said
    assert line.startswith("AWS door: not open, everything else runs: LocalStack does not start; its log")
    assert "no room on the device" in line
    assert [spec.name for spec in fleet_specs(layout)] == ["broker"]
    until(lambda: [one.name for one in running(layout).processes] == ["broker"], what="the broker alone")


def test_one_that_answers_is_there(layout: Layout, localstack: str) -> None:
    said: list[str] = []
    aws = LocalAws(noted={"endpoint": localstack, "region": "us-east-1", "account": "123456789012"})
    assert wait_for_aws(aws, layout, said.append) == aws
    assert said == [f"AWS door: LocalStack at {localstack}"]
