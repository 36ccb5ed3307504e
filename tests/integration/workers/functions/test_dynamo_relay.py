"""The relay of the functions' outbox: to a real broker, killed at each side of it, refused, doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amqp
import pytest
from millrace import aws_names
from millrace.envelope import Envelope
from millrace.publishing.connection import broker_options
from millrace.publishing.message import Message, event_message
from millrace.publishing.sender import Sender

from operations.local.ports import free_ports
from tests.integration.workers.functions.world import VHOST, World
from tests.integration.workers.stack import ROOT, until
from tests.real_servers import Broker
from workers import dynamo_relay
from workers.dynamo_relay import DynamoRelay
from workers.functions.outbox import items_of
from workers.functions.outbox_table import OutboxTable

TABLE = aws_names.outbox_table(VHOST)


@pytest.fixture
def door(broker: Broker) -> Iterator[tuple[str, amqp.Channel]]:
    """A vhost with an exchange `in` and a queue for all that comes."""
    with broker.fresh_vhost() as vhost:
        url = broker.amqp_url(vhost)
        with amqp.Connection(**broker_options(url)) as connection:
            channel = connection.channel()
            channel.exchange_declare("in", "topic", durable=True, auto_delete=False)
            channel.queue_declare("all", durable=True, auto_delete=False)
            channel.queue_bind("all", "in", "#")
            yield url, channel


def came(channel: amqp.Channel) -> list[str]:
    """The ids of what has come, in order."""
    found = []
    while (message := channel.basic_get("all", no_ack=True)) is not None:
        found.append(message.properties["message_id"])
    return found


def write(world: World, *ids: str, key: str | None = None) -> None:
    """Put events into the outbox, as a function does."""
    for id_ in ids:
        envelope = Envelope(id=id_, source="/parts", type="part.stored", partitionkey=key, data={"part": id_})
        put(world, event_message(envelope), envelope)


def put(world: World, message: Message, envelope: Envelope) -> None:
    """Put one message."""
    (item,) = items_of([(message, envelope)])
    world.dynamodb.put_item(TableName=TABLE, Item=item)


@contextmanager
def relay(world: World, url: str) -> Iterator[DynamoRelay]:
    """A relay in this process."""
    sender = Sender(url)
    yield DynamoRelay(OutboxTable(world.dynamodb, TABLE), sender)
    sender.close()


def process(world: World, url: str, log: Path, *command: str) -> subprocess.Popen[bytes]:
    """A relay in a process of its own."""
    environment = {
        **os.environ,
        **world.aws.environment,
        "MILLRACE_BROKER_URL": url,
        "MILLRACE_DATABASE_URL": "sqlite://",
        "MILLRACE_AWS_REGION": world.aws.region,
        "MILLRACE_AWS_ENDPOINT": world.aws.endpoint,
        "MILLRACE_OUTBOX_TABLE": TABLE,
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def test_oldest_first_then_gone(parts: World, door: tuple[str, amqp.Channel]) -> None:
    """What is confirmed is deleted; those of one key in order."""
    url, channel = door
    ids = [f"e{number:03d}" for number in range(130)]
    write(parts, *ids[:30], key="k")
    write(parts, *ids[30:])
    with relay(parts, url) as running:
        while running.round()[0]:
            pass
    found = came(channel)
    assert sorted(found) == ids
    assert [id_ for id_ in found if id_ in ids[:30]] == ids[:30]
    assert parts.outbox() == []


def test_what_is_refused_stops_its_key_only(
    parts: World, door: tuple[str, amqp.Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though whole pages of it are the oldest; it is tried again later."""
    url, channel = door
    for number in range(120):
        envelope = Envelope(id=f"bad{number}", source="/parts", type="part.stored", partitionkey="b", data={})
        put(parts, Message(exchange="in", routing_key="", body=b"{}", message_id=envelope.id), envelope)
    channel.queue_unbind("all", "in", "#")
    channel.queue_bind("all", "in", "part.stored")
    write(parts, "good")
    with relay(parts, url) as running:
        until(lambda: running.round()[0], what="the good one")
        assert came(channel) == ["good"]
        assert len(parts.outbox()) >= 100
        channel.queue_bind("all", "in", "#")
        monkeypatch.setattr(dynamo_relay, "ASIDE_SECONDS", 0.0)
        running._aside.clear()
        until(
            lambda: not (running.round() and parts.dynamodb.scan(TableName=TABLE, Select="COUNT")["Count"]), what="all"
        )
    assert came(channel) == [f"bad{number}" for number in range(120)]


def test_nothing_of_a_key_goes_before_what_was_refused(parts: World, door: tuple[str, amqp.Channel]) -> None:
    """Though it is ready at the same time, and would be taken."""
    url, channel = door
    channel.queue_unbind("all", "in", "#")
    channel.queue_bind("all", "in", "part.stored")
    envelope = Envelope(id="first", source="/parts", type="part.stored", partitionkey="k", data={})
    put(parts, Message(exchange="in", routing_key="", body=b"{}", message_id="first"), envelope)
    write(parts, "second", key="k")
    write(parts, "other", key="o")
    with relay(parts, url) as running:
        assert running.round() == (1, False)
    assert came(channel) == ["other"]
    assert len(parts.outbox()) == 2


def test_the_broker_is_out(parts: World) -> None:
    """Nothing is deleted, and the round says so."""
    write(parts, "e1")
    with relay(parts, f"amqp://u:p@127.0.0.1:{free_ports(1)[0]}/v") as running:
        assert running.round() == (0, True)
    assert len(parts.outbox()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_each_side_of_the_broker(
    parts: World, door: tuple[str, amqp.Channel], tmp_path: Path, when: str
) -> None:
    """Nothing is lost; what was sent already is sent again with the same id."""
    url, channel = door
    write(parts, "e1", "e2", "e3")
    killed = process(parts, url, tmp_path / "log", "tests.integration.workers.functions.killed_relay", when)
    assert killed.wait(60) == -signal.SIGKILL
    assert len(parts.outbox()) == 3
    first = came(channel)
    assert first == ([] if when == "before" else ["e1", "e2", "e3"])
    other = process(parts, url, tmp_path / "log", "workers.dynamo_relay")
    try:
        until(lambda: parts.outbox() == [], seconds=60, what="an empty outbox")
        assert came(channel) == ["e1", "e2", "e3"]
    finally:
        other.terminate()
        assert other.wait(30) == 0


def test_two_relays(parts: World, door: tuple[str, amqp.Channel], tmp_path: Path) -> None:
    """Each event comes at least once, and none is left."""
    url, channel = door
    both = [process(parts, url, tmp_path / "log", "workers.dynamo_relay") for _ in range(2)]
    try:
        started = '"event":"started"'
        until(lambda: (tmp_path / "log").read_text().count(started) == 2, seconds=60, what="both relays")
        ids = [f"e{number:03d}" for number in range(50)]
        write(parts, *ids)
        until(lambda: parts.outbox() == [], seconds=60, what="an empty outbox")
        assert set(came(channel)) == set(ids)
    finally:
        for one in both:
            one.terminate()
        assert [one.wait(30) for one in both] == [0, 0]
