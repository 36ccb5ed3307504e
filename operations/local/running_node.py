"""A RabbitMQ node for as long as a block of code runs: for tests and benchmarks."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from operations.local.errors import LocalError, log_tail
from operations.local.management import accepts_connections, enable_feature_flags, wait_until_ready
from operations.local.ports import LOOPBACK, free_ports, require_free
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import ADMIN, Node, NodePorts, remove_link
from operations.local.spawn import open_log, spawn, stop

BOOT_SECONDS = 90.0


@dataclass(frozen=True, kw_only=True)
class RunningNode:
    """Where a running node is reached, and as whom."""

    amqp_host: str
    amqp_port: int
    management_url: str
    admin_user: str
    admin_password: str
    broker: ProcessSpec


@contextmanager
def running_node(
    directory: Path, server: Path, ports: NodePorts | None = None, settings: tuple[str, ...] = ()
) -> Iterator[RunningNode]:
    """Run a node in a directory, on free ports unless given; it is killed and its processes are gone afterwards.

    `settings` are lines for its rabbitmq.conf.

    Raises:
        LocalError: a port is taken or the node did not boot, with the end of its log.
    """
    ports = ports or NodePorts(**dict(zip(("amqp", "management", "distribution", "epmd"), free_ports(4), strict=True)))
    require_free(ports.purposes())
    name = f"millrace-{ports.amqp}@localhost"
    node = Node(directory=directory, ports=ports, server=server, name=name, settings=settings)
    node.prepare()
    url = f"http://{LOOPBACK}:{ports.management}"
    epmd, broker = node.processes()
    with ExitStack() as stack:
        stack.callback(remove_link, directory)
        log = stack.enter_context(open_log(directory / "broker.log"))
        mapper = spawn(epmd, log, when_parent_dies=signal.SIGKILL)
        stack.callback(stop, mapper, epmd.grace)
        _wait_for_port(ports.epmd)
        process = spawn(broker, log, when_parent_dies=signal.SIGKILL)
        stack.callback(stop, process, 0)  # an orderly end takes seconds, and nobody wants the data
        try:
            wait_until_ready(
                url, ADMIN, node.password, seconds=BOOT_SECONDS, still_alive=lambda: process.poll() is None
            )
        except LocalError as error:
            raise LocalError(f"{error}. Its log ends:\n{log_tail(directory / 'broker.log')}") from None
        enable_feature_flags(url, ADMIN, node.password)
        yield RunningNode(
            amqp_host=LOOPBACK,
            amqp_port=ports.amqp,
            management_url=url,
            admin_user=ADMIN,
            admin_password=node.password,
            broker=broker,
        )


def _wait_for_port(port: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not accepts_connections(port):
        if time.monotonic() > deadline:
            raise LocalError(f"a server must listen on port {port} within {seconds:.0f} s, got none")
        time.sleep(0.02)
