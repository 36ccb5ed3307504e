"""Which RabbitMQ the local stack uses: one given by URL, one found here, Docker's, or one installed now."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from operations.local.docker_broker import docker_processes, docker_works
from operations.local.errors import LocalError
from operations.local.ports import LOOPBACK
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_install import can_install, find_server, install_server
from operations.local.rabbitmq_node import ADMIN, Node, NodePorts

GUESSED_MANAGEMENT_PORT = 15672


@dataclass(frozen=True, kw_only=True)
class Broker:
    """A RabbitMQ and how to be its administrator; without processes it is somebody else's.

    Attributes:
        amqp: host:port.
        ports: the ports its processes take, by what they are for.
    """

    kind: str
    amqp: str
    management_url: str
    admin_user: str
    admin_password: str
    processes: tuple[ProcessSpec, ...] = ()
    ports: Mapping[str, int]


def choose_broker(
    directory: Path, ports: NodePorts, on_progress: Callable[[str], None], environment: Mapping[str, str] = os.environ
) -> Broker:
    """Decide on a broker, and install RabbitMQ if there is no other way; nothing is started.

    Raises:
        LocalError: there is none and none can be installed, or the given URL makes no sense.
    """
    given = environment.get("MILLRACE_BROKER_URL")
    if given:
        return given_broker(given, environment.get("MILLRACE_MANAGEMENT_URL"))
    server = find_server()
    if server is not None:
        return node_broker(Node(directory=directory, ports=ports, server=server))
    if docker_works():
        # The server itself runs in the container: the node only lends its password.
        node = Node(directory=directory, ports=ports, server=Path("rabbitmq-server"))
        return _own("Docker's RabbitMQ", node, docker_processes(node))
    if can_install():
        return node_broker(Node(directory=directory, ports=ports, server=install_server(on_progress)))
    raise LocalError(
        "RabbitMQ must be on this machine, got none: no rabbitmq-server, no working Docker, and no apt-get as root.\n"
        "Install rabbitmq-server or start Docker, or set MILLRACE_BROKER_URL to one that runs, then try again."
    )


def node_broker(node: Node) -> Broker:
    """An own node of the RabbitMQ that is installed here."""
    node.prepare()
    return _own("own RabbitMQ node", node, node.processes())


def given_broker(url: str, management_url: str | None) -> Broker:
    """A broker that runs already; the URL's user must be its administrator.

    Raises:
        LocalError: the URL is not one of AMQP with user and host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 5672
    except ValueError as error:
        raise LocalError(f"MILLRACE_BROKER_URL must be a URL, got one with: {error}") from None
    if parts.scheme != "amqp" or not host or not parts.username or parts.password is None:
        shape = f"{parts.scheme or 'no scheme'}, {'a' if host else 'no'} host, {'a' if parts.username else 'no'} user"
        raise LocalError(f"MILLRACE_BROKER_URL must be amqp://ADMIN:PASSWORD@HOST:PORT, got {shape}")
    return Broker(
        kind="RabbitMQ given by MILLRACE_BROKER_URL",
        amqp=f"{host}:{port}",
        management_url=(management_url or f"http://{host}:{GUESSED_MANAGEMENT_PORT}").rstrip("/"),
        admin_user=unquote(parts.username),
        admin_password=unquote(parts.password),
        ports={},
    )


def _own(kind: str, node: Node, processes: tuple[ProcessSpec, ...]) -> Broker:
    return Broker(
        kind=kind,
        amqp=f"{LOOPBACK}:{node.ports.amqp}",
        management_url=f"http://{LOOPBACK}:{node.ports.management}",
        admin_user=ADMIN,
        admin_password=node.password,
        processes=processes,
        ports=node.ports.purposes(),
    )
