"""The three nodes' files, names and lines, without a broker."""

import itertools
import random
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from millrace.publishing.addresses import addresses

from operations.faults import cluster_faults
from operations.faults.cluster import Cluster, Member
from operations.faults.cluster_faults import cut_one, cut_two
from operations.faults.cluster_world import ClusterRecord

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
NODES = [{"name": f"n{number}", "running": True, "partitions": []} for number in (1, 2, 3)]
QUEUE = {"name": "q", "type": "quorum", "members": ["n1", "n2", "n3"], "online": ["n1", "n2", "n3"]}
CLASSIC = {"name": "c", "type": "classic"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, SERVER) as one:
        yield one


def test_the_nodes_know_each_other_and_share_nothing_else(cluster: Cluster) -> None:
    """One cookie and one administrator, every port and name once; nobody waits for another (RabbitMQ 4 would ever)."""
    specs = cluster.broker().processes
    assert [spec.name for spec in specs] == ["broker", "broker-2", "broker-3"]
    ports = [port for member in cluster.members for port in member.node.ports.purposes().values()]
    assert len(set(ports)) == len(ports)
    names = [member.node.name for member in cluster.members]
    homes = [Path(spec.env["HOME"]) for spec in specs]
    assert len({(home / ".erlang.cookie").read_text() for home in homes}) == 1
    assert {(home / ".erlang.cookie").stat().st_mode & 0o777 for home in homes} == {0o600}
    assert len({member.node.password for member in cluster.members}) == 1
    for home in homes:
        written = (home / "rabbitmq.conf").read_text()
        assert all(f"= {name}\n" in written for name in names)
        assert "cluster_partition_handling = pause_minority\n" in written
    serving = {member.node.ports.amqp for member in cluster.members}
    assert not any(serving & set(spec.waits_for) for spec in specs)
    assert all("net_ticktime" in spec.env["ERL_AFLAGS"] for spec in specs)


def test_users_begin_with_different_nodes_and_know_all() -> None:
    users = {f"dev.group.g{number}": "secret" for number in range(12)}
    fields: dict[str, Any] = dict.fromkeys(("stack", "management", "database_url", "smtp_url", "broker_kind", "mails"))
    known = ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
    record = ClusterRecord(
        **fields, amqp="127.0.0.1:9", vhost="dev", users=users, admin={}, flower={}, ports={}, addresses=known
    )
    urls = [addresses(record.amqp_url(user)) for user in users]
    for each in urls:
        assert sorted(one.partition("@")[2] for one in each) == [f"{address}/dev" for address in known]
    assert len({each[0].partition("@")[2] for each in urls}) == len(known)


@pytest.mark.parametrize(
    ("nodes", "queue", "said"),
    [
        (NODES, QUEUE, ""),
        (None, QUEUE, "does not answer"),
        ([*NODES[:2], {**NODES[2], "running": False}], QUEUE, "sees n1, n2"),
        ([*NODES[:2], {**NODES[2], "partitions": ["n1"]}], QUEUE, "sees a partition"),
        ([*NODES[:2], {"name": "n3", "running": True}], QUEUE, "sees a partition"),
        (NODES, {**QUEUE, "members": ["n1"], "online": ["n1"]}, "q has 1 members, 1 online"),
        (NODES, {**QUEUE, "online": ["n1", "n2"]}, "q has 3 members, 2 online"),
        (NODES, {"name": "q", "type": "quorum", "members": ["n1", "n2", "n3"]}, "q has 3 members, 0 online"),
    ],
)
def test_whole_is_every_node_and_every_member(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, nodes: object, queue: object, said: str
) -> None:
    answers = {"/api/nodes": nodes, "/api/queues": [CLASSIC, queue]}
    monkeypatch.setattr(Member, "ask", lambda _self, path, **_parameters: answers[path])
    monkeypatch.setattr(Member, "serves", True)
    missing = cluster.missing()
    assert said in missing
    assert bool(missing) == bool(said)


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(100):
            self.request.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture
def answering(cluster: Cluster) -> Iterator[None]:
    """Something listens where each node would listen for the others and for clients."""
    ports = [port for each in cluster.members for port in (each.node.ports.distribution, each.node.ports.amqp)]
    servers = [_Server(("127.0.0.1", port), _Echo) for port in ports]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    yield
    for server in servers:
        server.shutdown()
        server.server_close()


def passing(cluster: Cluster) -> set[str]:
    """Between which two something passes: `12` is from the first to the second, `c1` from clients to the first."""
    numbered = dict(enumerate(cluster.members, 1))
    ports = {f"c{number}": member.front.port for number, member in numbered.items()}
    for (one, this), (other, that) in itertools.permutations(numbered.items(), 2):
        entry = this.mapper.entry(that.node.name.partition("@")[0])
        assert entry is not None
        ports[f"{one}{other}"] = int.from_bytes(entry[:2], "big")
    with ThreadPoolExecutor(len(ports)) as pool:
        return {name for name, echoed in zip(ports, pool.map(_echoes, ports.values()), strict=True) if echoed}


def _echoes(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as line:
        line.sendall(b"x")
        try:
            return line.recv(1) == b"x"
        except TimeoutError:
            return False


@pytest.mark.usefixtures("answering")
def test_what_is_cut_is_cut_both_ways_and_nothing_else(cluster: Cluster) -> None:
    for member in cluster.members:
        name = member.node.name.partition("@")[0].encode()
        own = member.node.ports.distribution.to_bytes(2, "big")
        member.mapper.register(own + bytes([77, 0, 0, 6, 0, 6]) + len(name).to_bytes(2, "big") + name + b"\0\0")
    between = {"12", "13", "21", "23", "31", "32"}
    clients = {"c1", "c2", "c3"}
    first, second, _third = cluster.members
    assert passing(cluster) == between | clients
    cluster.cut(first)
    assert passing(cluster) == {"23", "32"} | clients
    cluster.cut(second)
    assert passing(cluster) == clients
    cluster.heal()
    assert passing(cluster) == between | clients
    cluster.cut(first, clients=True)
    assert passing(cluster) == {"23", "32", "c2", "c3"}


@pytest.mark.parametrize(
    ("cut", "serving", "took"),
    [
        (cut_one, {0, 1, 2}, False),  # nobody noticed
        (cut_one, "the others", True),
        (cut_one, set(), False),  # the majority has gone, too
        (cut_two, {0, 1, 2}, False),
        (cut_two, {0}, False),
        (cut_two, set(), True),
    ],
)
def test_a_cut_counts_only_if_those_without_a_majority_know_it(
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    cut: Callable[[Any, random.Random], bool],
    serving: Any,
    took: bool,
) -> None:
    """And no others."""
    away: list[Member] = []
    monkeypatch.setattr(cluster, "cut", lambda *members, **_how: away.extend(members))
    monkeypatch.setattr(cluster_faults, "_whole", lambda _scene: SimpleNamespace(cluster=cluster))
    monkeypatch.setattr(cluster_faults, "NOTICED_SECONDS", 0.05)
    monkeypatch.setattr(cluster_faults, "CUT_SECONDS", 0.0)

    def serves(member: Member) -> bool:
        return member not in away if serving == "the others" else cluster.members.index(member) in serving

    monkeypatch.setattr(Member, "has_majority", property(serves))
    assert cut(None, random.Random(0)) == took


@pytest.mark.parametrize(
    ("serves", "running", "majority"), [(True, 3, True), (True, 2, True), (True, 1, False), (True, None, False)]
)
def test_a_node_that_serves_may_have_no_majority(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, serves: bool, running: int | None, majority: bool
) -> None:
    """As one of RabbitMQ 4 does; it may not even say what nodes there are."""
    seen = running and [{"name": str(number), "running": number < running} for number in range(3)]
    monkeypatch.setattr(Member, "ask", lambda _member, _path, **_parameters: seen)
    monkeypatch.setattr(Member, "serves", serves)
    assert cluster.members[0].has_majority is majority
    monkeypatch.setattr(Member, "serves", False)
    assert not cluster.members[0].has_majority
