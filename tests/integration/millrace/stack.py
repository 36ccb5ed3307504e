"""One applied stack: its users' URLs, its queues' contents, and ways to do it harm."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import amqp
import httpx
from millrace import Envelope, names
from millrace.catalog import CATALOG
from millrace.publishing.connection import broker_options

from infra import offline_engine
from tests.real_servers import Broker

PATIENCE_SECONDS = 30.0


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Ask until it is so; raises AssertionError if it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {seconds:g} s"
        time.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack's vhost and passwords, a client of the management API and a channel as administrator."""

    broker: Broker
    vhost: str
    passwords: Mapping[str, str]
    client: httpx.Client
    channel: amqp.Channel

    def url(self, user: str, *, port: int | None = None) -> str:
        """The AMQP URL of one of the stack's users, by way of a proxy's port if given."""
        host = f"{self.broker.amqp_host}:{port or self.broker.amqp_port}"
        return f"amqp://{quote(user)}:{quote(self.passwords[user], safe='')}@{host}/{self.vhost}"

    def service_url(self, *, port: int | None = None) -> str:
        """The AMQP URL of the service `web`."""
        return self.url(names.service_user(self.vhost, "web"), port=port)

    def purge(self) -> None:
        """Empty the groups' queues and the parked one."""
        for queue in (*(names.group_queue(group.name) for group in CATALOG.groups), names.PARKED):
            self.channel.queue_purge(queue)

    def take(self, queue: str) -> amqp.Message | None:
        """The next message of a queue, if there is one."""
        return self.channel.basic_get(queue, no_ack=True)

    def taken(self, queue: str, count: int) -> list[Envelope]:
        """The next `count` events of a queue; what was confirmed before is there at once."""
        found: list[Envelope] = []
        tag = self.channel.basic_consume(
            queue, no_ack=True, callback=lambda message: found.append(Envelope.from_bytes(message.body))
        )
        while len(found) < count:
            self.channel.connection.drain_events(timeout=PATIENCE_SECONDS)
        self.channel.basic_cancel(tag)
        return found

    @contextmanager
    def unbound(self, source: str, destination: str, key: str, *, queue: bool = False) -> Iterator[None]:
        """A binding is missing for a while."""
        if queue:
            self.channel.queue_unbind(destination, source, key)
        else:
            self.channel.exchange_unbind(destination, source, key)
        try:
            yield
        finally:
            if queue:
                self.channel.queue_bind(destination, source, key)
            else:
                self.channel.exchange_bind(destination, source, key)

    @contextmanager
    def no_way_in(self) -> Iterator[None]:
        """Nothing is bound to the door for a while."""
        with self.unbound(names.IN, names.EVENTS, "#"), self.unbound(names.IN, names.ACCEPTED, "#", queue=True):
            yield

    @contextmanager
    def full_queue(self, key: str, room: int) -> Iterator[None]:
        """A queue at the door takes just so many messages of a key, and then refuses."""
        name = f"full-{uuid.uuid4().hex[:8]}"
        limits = {"x-max-length": room, "x-overflow": "reject-publish"}
        self.channel.queue_declare(name, durable=True, auto_delete=False, arguments=limits)
        self.channel.queue_bind(name, names.IN, key)
        try:
            yield
        finally:
            self.channel.queue_delete(name)

    def connections(self, user: str) -> list[str]:
        """The names of a user's connections, as the management API sees them (some seconds late)."""
        listed = self.client.get(f"/api/vhosts/{self.vhost}/connections").raise_for_status().json()
        return [each["name"] for each in listed if each.get("user") == user]


@contextmanager
def applied_stack(broker: Broker, state: Path) -> Iterator[Stack]:
    """Apply the catalog's topology under a new name; everything is gone afterwards."""
    name = f"t{uuid.uuid4().hex[:8]}"
    where: dict[str, Any] = {
        "management_url": broker.management_url,
        "admin_user": broker.admin_user,
        "admin_password": broker.admin_password,
    }
    offline_engine.up(name, state_dir=state, **where)
    known = offline_engine.outputs(name, state)
    connection = amqp.Connection(**broker_options(broker.amqp_url(known["vhost"])))
    connection.connect()
    with broker.management() as client:
        channel = connection.channel()
        try:
            yield Stack(broker=broker, vhost=known["vhost"], passwords=known["users"], client=client, channel=channel)
        finally:
            connection.close()
            offline_engine.destroy(name, state_dir=state, delete_messages=True, **where)
            client.delete(f"/api/vhosts/{known['vhost']}")
