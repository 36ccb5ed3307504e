"""An own RabbitMQ node, really started."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from operations.local.errors import LocalError
from operations.local.ports import LOOPBACK
from operations.local.running_node import running_node
from tests.processes_seen import listening
from tests.real_servers import Broker


def test_vhost_is_empty_and_usable(broker: Broker, vhost: str) -> None:
    with broker.management() as client:
        assert client.get(f"/api/queues/{vhost}").raise_for_status().json() == []
        client.put(f"/api/queues/{vhost}/q", json={"durable": True}).raise_for_status()


def test_guest_is_absent_and_every_flag_is_on(broker: Broker) -> None:
    with broker.management() as client:
        users = {user["name"] for user in client.get("/api/users").json()}
        assert (broker.admin_user in users, "guest" in users) == (True, False)
        assert {flag["state"] for flag in client.get("/api/feature-flags").json()} == {"enabled"}


@pytest.mark.usefixtures("broker")
def test_listens_on_loopback_only() -> None:
    addresses = {address for child in psutil.Process().children(recursive=True) for address in listening(child)}
    assert LOOPBACK in addresses
    assert addresses <= {LOOPBACK, "::1"}


@pytest.mark.usefixtures("broker")
def test_a_path_with_a_space_does_not_disturb_its_disk_monitor(broker_directory: Path) -> None:
    assert " " in str(broker_directory)
    assert "disk space monitor encountered an error" not in (broker_directory / "broker.log").read_text()


def test_a_node_that_cannot_boot_says_so_with_its_log(tmp_path: Path) -> None:
    server = tmp_path / "rabbitmq-server"
    server.write_text("#!/bin/sh\necho the disk is on fire\nexit 3\n")
    server.chmod(0o755)
    with pytest.raises(LocalError, match="the disk is on fire"), running_node(tmp_path / "node", server):
        pass
