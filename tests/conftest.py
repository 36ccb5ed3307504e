"""Fixtures that every test may use: an own RabbitMQ, an own PostgreSQL, fresh vhosts and databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.local.rabbitmq_install import find_server
from operations.local.running_node import running_node
from tests.real_servers import Broker, missing


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The run's own RabbitMQ, started at first use."""
    server = find_server()
    if server is None:
        missing("RabbitMQ", "`make test` as root installs it; else install rabbitmq-server.")
    directory: Path = tmp_path_factory.mktemp("broker")
    with running_node(directory, server) as node:
        yield Broker(
            amqp_host=node.amqp_host,
            amqp_port=node.amqp_port,
            management_url=node.management_url,
            admin_user=node.admin_user,
            admin_password=node.admin_password,
        )


@pytest.fixture(scope="module")
def vhost(broker: Broker) -> Iterator[str]:
    """An empty vhost per test module; nothing is applied to it."""
    with broker.fresh_vhost() as name:
        yield name
