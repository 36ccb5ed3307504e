"""`up` and `down` with everything real: broker, topology, workers, Flower."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import amqp
import httpx
import pytest
from millrace.catalog import CATALOG

from operations.local.daemon import running, supervisor_pid
from operations.local.errors import LocalError
from operations.local.layout import Layout
from operations.local.leftovers import leftovers
from operations.local.ports import LOOPBACK, PortsTaken, free_ports
from operations.local.rabbitmq_install import find_server
from operations.local.stack import down, up
from operations.local.stack_record import StackRecord
from tests.processes_seen import command, listening
from tests.real_servers import missing

pytestmark = pytest.mark.long

#: The sample catalog before somebody added a group.
ADDED = "workflow"
SMALLER = dataclasses.replace(CATALOG, groups=[group for group in CATALOG.groups if group.name != ADDED])
AWAKE = [group.name for group in SMALLER.groups if group.replicas[0] > 0]


def some_ports() -> dict[str, str]:
    names = ("AMQP", "MANAGEMENT", "DISTRIBUTION", "EPMD", "FLOWER", "SMTP", "FIRST_METRICS", "LOCALSTACK")
    return {f"MILLRACE_{name}_PORT": str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    if find_server() is None:
        missing("RabbitMQ", "`make test` as root installs it; else install rabbitmq-server.")
    return {"MILLRACE_ENGINE": "offline", **some_ports()}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    layout = Layout(tmp_path_factory.mktemp("a clone") / "with space" / ".local")
    yield layout
    down(print, layout=layout)


@pytest.fixture(scope="module")
def record(layout: Layout, environment: dict[str, str]) -> StackRecord:
    return up(print, catalog=SMALLER, layout=layout, environment=environment)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition must come true in time"
        time.sleep(0.1)


def pids(layout: Layout) -> dict[str, int | None]:
    return {status.name: status.pid for status in running(layout).processes}


def consumers(record: StackRecord, group: str) -> int:
    login = {"userid": record.admin["user"], "password": record.admin["password"]}
    try:
        with amqp.Connection(record.amqp, virtual_host=record.vhost, connect_timeout=2, **login) as connection:
            return int(connection.channel().queue_declare(group, passive=True).consumer_count)
    except (OSError, amqp.AMQPError):
        return 0


@pytest.mark.timeout(240)
def test_up_brings_everything_and_notes_it_for_its_owner_only(layout: Layout, record: StackRecord) -> None:
    assert {"epmd", "broker", "relay", "keeper", "mail-sink", "flower"} < set(pids(layout))
    assert all(consumers(record, group) for group in AWAKE)
    assert layout.stack.stat().st_mode & 0o777 == 0o600
    noted = json.loads(layout.stack.read_text())
    assert {"stack", "vhost", "amqp", "management", "admin", "users", "database_url", "flower", "smtp_url"} <= set(
        noted
    )
    login = (record.flower["user"], record.flower["password"])
    assert httpx.get(record.flower["url"]).status_code == httpx.codes.UNAUTHORIZED
    assert httpx.get(f"{record.flower['url']}/workers", auth=login).status_code == httpx.codes.OK


def test_nothing_listens_beyond_loopback(layout: Layout, record: StackRecord) -> None:
    assert record.ports
    addresses = {address for process in leftovers(layout) for address in listening(process)}
    assert LOOPBACK in addresses
    assert addresses <= {LOOPBACK, "::1"}


def test_no_secret_is_on_a_command_line(layout: Layout, record: StackRecord) -> None:
    secrets = {record.admin["password"], record.flower["password"], *record.users.values()}
    lines = [" ".join(command(process)) for process in leftovers(layout)]
    assert not [line for line in lines for secret in secrets if secret in line]


def test_a_second_up_changes_nothing(layout: Layout, record: StackRecord, environment: dict[str, str]) -> None:
    before = pids(layout), layout.stack.read_text()
    began = time.monotonic()
    assert up(print, catalog=SMALLER, layout=layout, environment=environment) == record
    assert time.monotonic() - began < 60
    assert (pids(layout), layout.stack.read_text()) == before


def test_another_up_meanwhile_is_refused(layout: Layout, record: StackRecord, environment: dict[str, str]) -> None:
    assert record.ports
    said: list[str] = []

    def during(text: str) -> None:
        if not said:
            said.append(text)
            with pytest.raises(LocalError, match="must be alone"):
                up(print, catalog=SMALLER, layout=layout, environment=environment)

    up(during, catalog=SMALLER, layout=layout, environment=environment)
    assert said


def test_a_group_added_to_the_catalog_gets_its_worker(
    layout: Layout, record: StackRecord, environment: dict[str, str]
) -> None:
    before = pids(layout)
    del before["scaler"]  # it reads the catalog once, and is started again for the new one
    later = up(print, catalog=CATALOG, layout=layout, environment=environment)
    assert consumers(later, ADDED) > 0
    assert {name: pid for name, pid in pids(layout).items() if name in before} == before
    assert {name: later.metrics[name] for name in record.metrics} == record.metrics


@pytest.mark.timeout(180)
def test_a_killed_broker_comes_back_and_all_consume_again(layout: Layout, record: StackRecord) -> None:
    pid = pids(layout)["broker"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: pids(layout)["broker"] not in (pid, None))
    until(lambda: all(consumers(record, group) for group in AWAKE), 90)


def test_a_database_that_is_not_there_fails_and_changes_nothing(
    layout: Layout, record: StackRecord, environment: dict[str, str]
) -> None:
    assert record.ports
    before = pids(layout), layout.stack.read_text()
    nowhere = {"MILLRACE_DATABASE_URL": f"postgresql+psycopg://nobody:x@{LOOPBACK}:{free_ports(1)[0]}/none"}
    with pytest.raises(LocalError, match="database"):
        up(print, catalog=CATALOG, layout=layout, environment={**environment, **nowhere})
    assert (pids(layout), layout.stack.read_text()) == before


@pytest.mark.timeout(180)
def test_down_leaves_nothing_running_and_keeps_the_data(layout: Layout, record: StackRecord) -> None:
    assert down(print, layout=layout)
    assert leftovers(layout) == []
    assert supervisor_pid(layout) is None
    assert Path(record.database_url.removeprefix("sqlite:///")).exists()
    assert not layout.stack.exists()
    assert not down(print, layout=layout)


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path, environment: dict[str, str]) -> None:
    layout = Layout(tmp_path / ".local")
    with socket.create_server((LOOPBACK, 0)) as holder:
        taken = str(holder.getsockname()[1])
        with pytest.raises(PortsTaken, match=rf"{taken} \(Flower\) held by .*pid {os.getpid()}"):
            up(print, layout=layout, environment={**environment, "MILLRACE_FLOWER_PORT": taken})
    assert supervisor_pid(layout) is None
    assert not layout.log("broker").exists()


def test_a_broken_first_up_leaves_no_half_started_pile(tmp_path: Path, environment: dict[str, str]) -> None:
    layout = Layout(tmp_path / ".local")
    nowhere = {"MILLRACE_DATABASE_URL": f"postgresql+psycopg://nobody:x@{LOOPBACK}:{free_ports(1)[0]}/none"}
    with pytest.raises(LocalError, match="MILLRACE_DATABASE_URL"):
        up(print, layout=layout, environment={**environment, **some_ports(), **nowhere})
    assert leftovers(layout) == []
    assert supervisor_pid(layout) is None
    assert not layout.stack.exists()
