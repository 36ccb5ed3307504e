"""Which broker is taken, and that no secret of it is where others can read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from operations.local import broker
from operations.local.broker import choose_broker, given_broker
from operations.local.docker_broker import docker_processes, docker_works
from operations.local.errors import LocalError
from operations.local.rabbitmq_node import Node, NodePorts, remove_link

PORTS = NodePorts(amqp=1001, management=1002, distribution=1003, epmd=1004)


def node(directory: Path) -> Node:
    return Node(directory=directory, ports=PORTS, server=Path("/usr/lib/rabbitmq/bin/rabbitmq-server"))


def test_a_given_url_wins_and_starts_nothing(tmp_path: Path) -> None:
    given = {"MILLRACE_BROKER_URL": "amqp://root:p%40ss@rabbit.example:5673/any"}
    chosen = choose_broker(tmp_path, PORTS, print, given)
    assert (chosen.processes, dict(chosen.ports)) == ((), {})
    assert (chosen.amqp, chosen.admin_user, chosen.admin_password) == ("rabbit.example:5673", "root", "p@ss")
    assert chosen.management_url == "http://rabbit.example:15672"


def test_the_management_url_can_be_given() -> None:
    assert given_broker("amqp://a:b@h", "https://h:443/").management_url == "https://h:443"


@pytest.mark.parametrize("url", ["amqps://a:secret@h", "amqp://h", "amqp://a@h", "nonsense", "amqp://a:secret@h:port"])
def test_a_url_that_cannot_work_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(LocalError, match="MILLRACE_BROKER_URL must be") as refused:
        given_broker(url, None)
    assert "secret" not in str(refused.value)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What this machine is said to have."""

    def has(*, server: Path | None, docker: bool, root: bool) -> None:
        monkeypatch.setattr(broker, "find_server", lambda: server)
        monkeypatch.setattr(broker, "docker_works", lambda: docker)
        monkeypatch.setattr(broker, "can_install", lambda: root)
        monkeypatch.setattr(broker, "install_server", lambda _say: Path("/installed/rabbitmq-server"))

    return has


def test_installed_comes_before_docker_before_the_package_manager(tmp_path: Path, machine: Callable[..., None]) -> None:
    machine(server=Path("/here/rabbitmq-server"), docker=True, root=True)
    assert choose_broker(tmp_path, PORTS, print, {}).processes[-1].argv == ("/here/rabbitmq-server",)
    machine(server=None, docker=True, root=True)
    assert "docker" in " ".join(choose_broker(tmp_path, PORTS, print, {}).processes[-1].argv)
    machine(server=None, docker=False, root=True)
    assert choose_broker(tmp_path, PORTS, print, {}).processes[-1].argv == ("/installed/rabbitmq-server",)


def test_a_machine_without_any_is_told_what_to_do(tmp_path: Path, machine: Callable[..., None]) -> None:
    machine(server=None, docker=False, root=False)
    with pytest.raises(LocalError, match="Install rabbitmq-server or start Docker, or set MILLRACE_BROKER_URL"):
        choose_broker(tmp_path, PORTS, print, {})


def test_the_password_is_made_once_and_is_in_private_files_only(tmp_path: Path) -> None:
    own = node(tmp_path / "broker")
    own.prepare()
    password = own.password
    assert node(tmp_path / "broker").password == password
    holding = [path for path in (tmp_path / "broker").rglob("*") if password in path.read_text()]
    assert {path.name for path in holding} == {"admin-password", "rabbitmq.conf"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holding)
    assert not [spec for spec in own.processes() if password in str(spec.to_json())]


def test_a_path_with_a_space_is_reached_by_a_link_without_one(tmp_path: Path) -> None:
    directory = tmp_path / "a b"
    own = node(directory)
    own.prepare()
    home = Path(own.processes()[1].env["HOME"])
    try:
        assert " " not in str(home)
        assert home.resolve() == directory
    finally:
        remove_link(directory)
    assert not home.is_symlink()


def test_docker_publishes_on_loopback_and_hides_the_password(tmp_path: Path) -> None:
    own = node(tmp_path)
    (process,) = docker_processes(own)
    line = " ".join(process.argv)
    assert "-p 127.0.0.1:1001:5672 -p 127.0.0.1:1002:15672" in line
    assert "rabbitmq:4-management" in line
    assert own.password not in line
    assert process.env["RABBITMQ_DEFAULT_PASS"] == own.password


def test_a_docker_whose_daemon_does_not_answer_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not docker_works()
    docker.write_text("#!/bin/sh\nexit 0\n")
    assert docker_works()
    monkeypatch.setenv("PATH", "/nowhere")
    assert not docker_works()
