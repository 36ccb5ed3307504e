"""A scratch stack on a cluster: its processes know every node's address, each beginning with another one."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from millrace.declarations import Catalog

from operations.faults.cluster import Cluster
from operations.faults.proxy import LOOPBACK, Proxy
from operations.faults.world import Say, World, running_world
from operations.local.broker import Broker
from operations.local.layout import Layout
from operations.local.stack_record import StackRecord


@dataclass(frozen=True, kw_only=True)
class ClusterRecord(StackRecord):
    """A stack whose broker has several addresses."""

    addresses: tuple[str, ...]

    def amqp_url(self, user: str) -> str:
        """Every address, separated by `;`: not all users begin with the same."""
        first = zlib.crc32(user.encode()) % len(self.addresses)
        turned = (*self.addresses[first:], *self.addresses[:first])
        plain = super().amqp_url(user)
        return ";".join(plain.replace(f"@{self.amqp}/", f"@{address}/") for address in turned)


@dataclass
class ClusterWorld(World):
    """A running scratch stack on three nodes."""

    cluster: Cluster = dataclasses.field(kw_only=True)

    def reached_by(self, _proxy: Proxy) -> StackRecord:
        """By the front of each node, whoever asks."""
        return self._record()

    def _record(self) -> ClusterRecord:
        plain = {each.name: getattr(self.record, each.name) for each in dataclasses.fields(StackRecord)}
        addresses = tuple(f"{LOOPBACK}:{member.front.port}" for member in self.cluster.members)
        return ClusterRecord(**{**plain, "metrics": {}}, addresses=addresses)

    def start(self, arming: Mapping[str, Mapping[str, str]] | None = None, twice: Sequence[str] = ()) -> None:
        """Have every process run once the cluster is whole."""
        self.cluster.wait_until_whole()
        super().start(arming, twice)

    def clean(self) -> None:
        """As of any world, once the cluster is whole."""
        self.cluster.wait_until_whole()
        super().clean()

    def management(self) -> httpx.Client:
        """The management API of a node that serves."""
        return next((each for each in self.cluster.members if each.serves), self.cluster.members[0]).api()

    def managements(self) -> Iterator[httpx.Client]:
        """The management API of every node, once the cluster is whole: before, what they say is not all."""
        self.cluster.wait_until_whole()
        return (member.api() for member in self.cluster.members)


@contextmanager
def running_cluster(
    catalog: Catalog,
    say: Say,
    *,
    settings: Mapping[str, str],
    database: str = "postgresql",
    server: Path | None = None,
) -> Iterator[ClusterWorld]:
    """A scratch stack on three nodes and a database of its own; everything is stopped and removed afterwards.

    Raises:
        LocalError: RabbitMQ or PostgreSQL is not here, or something did not start.
    """
    with ExitStack() as stack:
        made: list[Cluster] = []

        def brokers(layout: Layout, found: Path) -> Broker:
            made.append(stack.enter_context(Cluster(layout.root / "cluster", found)))
            return made[0].broker()

        def booted() -> None:
            made[0].wait_until_whole()

        plain = stack.enter_context(
            running_world(
                catalog,
                say,
                settings=settings,
                database=database,
                server=server,
                brokers=brokers,
                booted=booted,
            )
        )
        fields = {each.name: getattr(plain, each.name) for each in dataclasses.fields(plain)}
        world = ClusterWorld(**fields, cluster=made[0])
        made[0].wait_until_whole()
        yield world
