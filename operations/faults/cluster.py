"""Three RabbitMQ nodes on this machine, and lines between them that can be cut.

Each node has a port mapper of its own, which shows it its peers behind a proxy: what the nodes say to each other goes
through lines of ours, and nothing but loopback is needed.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from operations.faults.cluster_mapper import PortMapper
from operations.faults.proxy import Proxy
from operations.local.broker import Broker, node_broker
from operations.local.daemon import wait_for
from operations.local.management import accepts_connections
from operations.local.ports import LOOPBACK, free_ports
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import ADMIN, Node, NodePorts, write_secret

SIZE = 3
#: Seconds without a word after which a node takes another for gone (Erlang's own default: 60).
TICK_SECONDS = 8
#: A node that was killed or has paused is back, with all its queues, within this.
WHOLE_SECONDS = 120.0
_SETTINGS = (
    "cluster_partition_handling = pause_minority",
    "cluster_formation.peer_discovery_backend = classic_config",
    "collect_statistics_interval = 1000",
)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One node of the cluster; `process` is its name at the supervisor, `front` what clients reach it through."""

    process: str
    node: Node
    mapper: PortMapper
    front: Proxy

    @property
    def serves(self) -> bool:
        """Whether it takes clients; a node that has paused takes none."""
        return accepts_connections(self.node.ports.amqp)

    @property
    def has_majority(self) -> bool:
        """Whether it serves, and sees more than half of the nodes.

        Without them a node of RabbitMQ 3 pauses. One of RabbitMQ 4 (with its new store, Khepri) goes on to take
        clients, and confirms them nothing.
        """
        if not self.serves:
            return False
        nodes = self.ask("/api/nodes", columns="name,running")
        return nodes is not None and sum(node["running"] for node in nodes) > SIZE // 2

    def api(self) -> httpx.Client:
        """Its management API as administrator; close it after use."""
        url = f"http://{LOOPBACK}:{self.node.ports.management}"
        return httpx.Client(base_url=url, auth=(ADMIN, self.node.password), timeout=10)

    def ask(self, path: str, **parameters: str) -> Any:
        """What its management API answers; None if it does not."""
        try:
            with self.api() as api:
                return api.get(path, params=parameters).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return None


class Cluster:
    """The members, and the lines between any two of them; ends with the block that it is used in."""

    def __init__(self, directory: Path, server: Path) -> None:
        self._stack = ExitStack()
        self.members = [self._member(node, number) for number, node in enumerate(_nodes(directory, server))]
        self._lines = {
            (one.process, other.process): self._stack.enter_context(Proxy(LOOPBACK, other.node.ports.distribution))
            for one, other in itertools.permutations(self.members, 2)
        }
        for one in self.members:
            peers = [other for other in self.members if other is not one]
            shown = {_short(peer.node): (peer.mapper, self._lines[one.process, peer.process].port) for peer in peers}
            one.mapper.show(shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _member(self, node: Node, number: int) -> Member:
        return Member(
            process="broker" if number == 0 else f"broker-{number + 1}",
            node=node,
            mapper=self._stack.enter_context(closing(PortMapper(node.ports.epmd))),
            front=self._stack.enter_context(Proxy(LOOPBACK, node.ports.amqp)),
        )

    def broker(self) -> Broker:
        """The first member as the stack's broker, with the processes of all.

        They start at once: RabbitMQ 4 waits for all that it is told of before it makes a cluster.
        """
        processes: list[ProcessSpec] = []
        for member in self.members:
            member.node.prepare()
            _mapper, spec = member.node.processes()
            flags = f"{spec.env['ERL_AFLAGS']} -kernel net_ticktime {TICK_SECONDS}"
            env = {**spec.env, "ERL_AFLAGS": flags}
            processes.append(dataclasses.replace(spec, name=member.process, env=env))
        return dataclasses.replace(node_broker(self.members[0].node), processes=tuple(processes))

    def wait_until_whole(self) -> None:
        """Wait for every node and every member of every queue; raises LocalError."""
        missing = ""

        def whole() -> bool:
            nonlocal missing
            missing = self.missing()
            return not missing

        wait_for(whole, WHOLE_SECONDS, lambda: f"the cluster must be whole, got: {missing}", pause=0.5)

    def cut(self, *away: Member, clients: bool = False) -> None:
        """Let no byte pass between these members and any other, nor between each other; to clients as told."""
        for (one, other), line in self._lines.items():
            if any(member.process in (one, other) for member in away):
                line.hold()
        for member in away if clients else ():
            member.front.hold()

    def heal(self) -> None:
        """Let everything pass."""
        for line in (*self._lines.values(), *(member.front for member in self.members)):
            line.let_pass()

    def ask(self, path: str, **parameters: str) -> Any:
        """What the management API of the first member that answers says; None if none does."""
        answers = (member.ask(path, **parameters) for member in self.members if member.serves)
        return next((answer for answer in answers if answer is not None), None)

    def missing(self) -> str:
        """What keeps the cluster from being whole, in words; empty if each node and each queue's member is there."""
        for member in self.members:
            nodes = member.ask("/api/nodes", columns="name,running,partitions")
            if nodes is None:
                return f"{member.node.name} does not answer"
            running = [node["name"] for node in nodes if node["running"]]
            if len(running) < SIZE:
                return f"{member.node.name} sees {', '.join(sorted(running)) or 'nobody'}"
            if any(node.get("partitions") != [] for node in nodes):
                return f"{member.node.name} sees a partition, or does not say"
        queues = self.ask("/api/queues", columns="name,type,members,online")
        if queues is None:
            return "no node says what queues there are"
        short = [
            f"{queue['name']} has {len(queue.get('members', ()))} members, {len(queue.get('online', ()))} online"
            for queue in queues
            if queue["type"] != "classic" and not len(queue.get("members", ())) == len(queue.get("online", ())) == SIZE
        ]
        return "; ".join(short[:5])


def _nodes(directory: Path, server: Path) -> list[Node]:
    """The nodes with one cookie and one administrator, each knowing the names of all."""
    cookie, password = secrets.token_hex(16), secrets.token_urlsafe(24)
    ports = free_ports(SIZE * 4)
    made = []
    for number in range(SIZE):
        amqp, management, distribution, epmd = ports[number * 4 : number * 4 + 4]
        each = NodePorts(amqp=amqp, management=management, distribution=distribution, epmd=epmd)
        place = directory / f"node-{number + 1}"
        place.mkdir(mode=0o700, parents=True)
        write_secret(place / ".erlang.cookie", cookie)
        write_secret(place / "admin-password", password)
        made.append(Node(directory=place, ports=each, server=server, name=f"millrace-{amqp}@localhost"))
    named = [f"cluster_formation.classic_config.nodes.{number} = {node.name}" for number, node in enumerate(made, 1)]
    return [dataclasses.replace(node, settings=(*_SETTINGS, *named)) for node in made]


def _short(node: Node) -> str:
    return node.name.partition("@")[0]
