"""When LocalStack is part of the local stack, and what is said when it is not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from millrace import Catalog, Event, WorkerGroup
from millrace.events import UserSignedUp

from operations.local import aws_door
from operations.local.aws_door import LocalAws, choose_aws, start_aws
from operations.local.daemon import apply_fleet, fleet_specs
from operations.local.layout import Layout
from operations.local.localstack import localstack_spec
from operations.local.ports import LOOPBACK, free_ports
from operations.local.process_spec import ProcessSpec
from tests.door_catalog import CATALOG

WITHOUT_AWS = Catalog(events=[Event(UserSignedUp)], groups=[WorkerGroup("signup", handles=[UserSignedUp])])


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_door, "why_not", lambda: None)
    monkeypatch.setattr(aws_door, "docker_works", lambda: False)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with closing(socket.create_server((LOOPBACK, 0))) as server:
        yield server.getsockname()[1]


def chosen(layout: Layout, port: int, catalog: Catalog = CATALOG, **environment: str) -> tuple[LocalAws, list[str]]:
    said: list[str] = []
    return choose_aws(catalog, layout, port, environment, said.append), said


def test_localstack_stands_in_for_aws_with_the_account_of_the_guide(layout: Layout) -> None:
    [port] = free_ports(1)
    aws, said = chosen(layout, port)
    assert aws.noted == {"endpoint": f"http://127.0.0.1:{port}", "region": "us-east-1", "account": "123456789012"}
    assert [spec.name for spec in aws.processes] == ["localstack"]
    assert said == []


def test_it_listens_on_loopback_only_and_writes_below_the_stacks_directory(layout: Layout) -> None:
    spec = localstack_spec(layout, 4566)
    assert spec.env["GATEWAY_LISTEN"] == "127.0.0.1:4566"
    assert Path(spec.env["LOCALSTACK_VOLUME_DIR"]).is_relative_to(layout.root)
    assert not spec.cwd.endswith("localstack/localstack")


def test_a_catalog_with_nothing_at_aws_needs_no_localstack(layout: Layout) -> None:
    aws, said = chosen(layout, free_ports(1)[0], WITHOUT_AWS)
    assert (aws, said) == (LocalAws(), [])


def test_a_port_that_is_taken_closes_the_door_and_nothing_else(layout: Layout, taken_port: int) -> None:
    aws, [said] = chosen(layout, taken_port)
    assert (aws.is_there, aws.processes) == (False, ())
    assert f"port {taken_port} must be free, got in use" in said
    assert aws.noted["problem"] in said


def test_the_port_of_our_own_localstack_is_no_reason(layout: Layout, taken_port: int) -> None:
    apply_fleet(layout, [localstack_spec(layout, taken_port)])
    assert chosen(layout, taken_port)[0].is_there


def test_it_can_be_switched_off(layout: Layout) -> None:
    aws, [said] = chosen(layout, free_ports(1)[0], MILLRACE_AWS="off")
    assert not aws.is_there
    assert said.endswith("MILLRACE_AWS=off")


def test_without_its_environment_it_is_dockers_or_none(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    monkeypatch.setattr(aws_door, "why_not", lambda: "it is not installed")
    aws, [said] = chosen(layout, port)
    assert (aws.is_there, said) == (False, "AWS door: not open, everything else runs: it is not installed")
    monkeypatch.setattr(aws_door, "docker_works", lambda: True)
    [spec] = chosen(layout, port)[0].processes
    assert "docker compose --file" in spec.argv[-1]
    assert spec.env == {"MILLRACE_LOCALSTACK_PORT": str(port)}


def test_it_joins_what_runs_already_once(layout: Layout) -> None:
    broker = ProcessSpec(name="broker", argv=("x",), cwd="/")
    apply_fleet(layout, [broker])
    aws, _ = chosen(layout, free_ports(1)[0])
    start_aws(aws, layout)
    assert [spec.name for spec in fleet_specs(layout)] == ["broker", "localstack"]
    before = layout.fleet.stat().st_mtime_ns
    start_aws(aws, layout)
    assert layout.fleet.stat().st_mtime_ns == before
