"""Real servers for tests: an own RabbitMQ and an own PostgreSQL per run, on free loopback ports."""

from __future__ import annotations

import os
import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import httpx
import pytest

from operations.local.rabbitmq_install import find_server
from operations.local.rabbitmq_node import control
from operations.local.running_node import running_node

#: Reading the machine's certificates costs 50 ms per client, and here is no TLS.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, kw_only=True)
class Broker:
    """The test run's own RabbitMQ."""

    amqp_host: str
    amqp_port: int
    management_url: str
    admin_user: str
    admin_password: str

    def amqp_url(self, vhost: str, user: str | None = None, password: str | None = None) -> str:
        """An AMQP URL, of the administrator unless a user is given."""
        name, secret = (self.admin_user, self.admin_password) if user is None else (user, password or "")
        host = f"{self.amqp_host}:{self.amqp_port}"
        return f"amqp://{quote(name, safe='')}:{quote(secret, safe='')}@{host}/{quote(vhost, safe='')}"

    def management(self) -> httpx.Client:
        """A client of the management API, as administrator; close it after use."""
        login = (self.admin_user, self.admin_password)
        return httpx.Client(base_url=self.management_url, auth=login, timeout=30, verify=_NO_CERTIFICATES)

    @contextmanager
    def fresh_vhost(self) -> Iterator[str]:
        """An empty vhost of which the administrator may do everything; deleted afterwards."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        with self.management() as client:
            client.put(f"/api/vhosts/{name}").raise_for_status()
            try:
                client.put(f"/api/permissions/{name}/{self.admin_user}", json=everything).raise_for_status()
                yield name
            finally:
                client.delete(f"/api/vhosts/{name}").raise_for_status()


def missing(server: str, what_to_do: str) -> NoReturn:
    """Say that a server cannot be run here: an error in CI, a skip elsewhere."""
    message = f"{server} must be on this machine, got none. {what_to_do}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@contextmanager
def own_broker(directory: Path, settings: tuple[str, ...] = ()) -> Iterator[tuple[Broker, Callable[..., None]]]:
    """A RabbitMQ in a directory that nobody else uses, and its rabbitmqctl."""
    server = find_server()
    if server is None:
        missing("RabbitMQ", "`make test` as root installs it; else install rabbitmq-server.")
    with running_node(directory, server, settings=settings) as node:
        broker = Broker(
            amqp_host=node.amqp_host,
            amqp_port=node.amqp_port,
            management_url=node.management_url,
            admin_user=node.admin_user,
            admin_password=node.admin_password,
        )
        yield broker, partial(control, node.broker)
