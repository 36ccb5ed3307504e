"""Where work waits for a contender: a queue of the broker, or a table; both are filled and counted alike."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import amqp
import psycopg
from millrace.publishing.sender import Sender

from bench.contenders import PEER_PYTHON, Contender
from bench.crew import ROOT
from bench.servers import Servers

CHUNK = 5_000
LONGEST_FILL_SECONDS = 300.0
#: What dramatiq calls the queues that it declares beside its own, for what is delayed and what failed.
_OF_DRAMATIQ = ("DQ", "XQ")


class Waiting(Protocol):
    """What waits."""

    def fill(self, events: int, note: int) -> None:
        """Let so many events wait, with so many bytes of a note."""

    def send(self, number: int, sent_at: int) -> None:
        """Send one, unconfirmed, with the time."""

    def left(self) -> int:
        """How many wait."""

    def consumers(self) -> int:
        """How many processes have said that they take work."""


class OnBroker:
    """A queue of RabbitMQ's."""

    def __init__(self, channel: amqp.Channel, url: str, contender: Contender) -> None:
        self._channel = channel
        self._url = url
        self._contender = contender

    def fill(self, events: int, note: int) -> None:
        """Send, confirmed."""
        sender = Sender(self._url, timeout=60)
        for start in range(0, events, CHUNK):
            chunk = range(start, min(start + CHUNK, events))
            errors = [error for error in sender.send([self._contender.make(n, note, 0) for n in chunk]) if error]
            if errors:
                raise RuntimeError(f"the queue must be filled, got {errors[0]}")
        sender.close()

    def send(self, number: int, sent_at: int) -> None:
        """As its publisher would."""
        message = self._contender.make(number, 0, sent_at)
        content = amqp.Message(
            message.body,
            content_type=message.content_type,
            delivery_mode=2,
            message_id=message.message_id,
            application_headers=dict(message.headers),
        )
        self._channel.basic_publish(content, message.exchange, message.routing_key)

    def left(self) -> int:
        """Messages that no consumer has."""
        return int(self._declared().message_count)

    def consumers(self) -> int:
        """The broker's count."""
        return int(self._declared().consumer_count)

    def _declared(self) -> amqp.protocol.queue_declare_ok_t:
        return self._channel.queue_declare(self._contender.queue, passive=True)


class InTables:
    """Jobs in PostgreSQL, counted by their effects."""

    def __init__(self, database: psycopg.Connection, module: str, environment: Mapping[str, str]) -> None:
        self._database = database
        self._module = module
        self._environment = environment
        self._events = 0

    def fill(self, events: int, note: int) -> None:
        """Let the peer's own client send."""
        del note
        self._events = events
        self.run("fill", str(events))

    def run(self, *arguments: str) -> None:
        """Run the peer's module to its end."""
        command = [PEER_PYTHON, "-m", self._module, *arguments]
        done = subprocess.run(  # noqa: S603 - argv is ours
            command,
            env=dict(self._environment),
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=LONGEST_FILL_SECONDS,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[1:])} ended with {done.returncode}: {done.stderr[-1500:]}")

    def send(self, number: int, sent_at: int) -> None:
        """Not measured: a poll decides."""
        raise NotImplementedError

    def left(self) -> int:
        """Jobs without an effect."""
        row = self._database.execute("select count(*) from bench_orders").fetchone()
        return self._events - (row[0] if row else 0)

    def consumers(self) -> int:
        """Nobody tells."""
        return 0


def environment(servers: Servers, contender: Contender, kind: str) -> dict[str, str]:
    """What the processes of a contender are told."""
    if contender.group is not None:
        own = servers.stack.environment(f"group.{contender.group}", MILLRACE_CONCURRENCY="1")
        return {**own, **contender.environment}
    return {
        "BENCH_BROKER_URL": servers.broker.amqp_url(servers.peers),
        "BENCH_DATABASE_URL": servers.plain_database_url,
        "BENCH_REDIS_URL": servers.redis_url,
        "BENCH_QUEUE": contender.queue,
        "BENCH_QUEUE_TYPE": kind,
        **contender.environment,
    }


@contextmanager
def waiting(servers: Servers, contender: Contender, kind: str) -> Iterator[Waiting]:
    """The contender's queue, empty; what is left in it and in the tables of effects goes with the block."""
    with servers.database() as database:
        try:
            if contender.tables is not None:
                told = environment(servers, contender, kind)
                queue = InTables(database, contender.tables, told)
                queue.run("prepare")
                yield queue
            else:
                with _on_broker(servers, contender, kind) as on_broker:
                    yield on_broker
        finally:
            database.execute("truncate bench_orders, bench_inbox")


@contextmanager
def _on_broker(servers: Servers, contender: Contender, kind: str) -> Iterator[OnBroker]:
    vhost = servers.peers if contender.group is None else servers.stack.vhost
    with servers.channel(vhost) as channel:
        if contender.group is None:
            arguments = {**contender.arguments, "x-queue-type": kind}
            channel.queue_declare(contender.queue, durable=True, auto_delete=False, arguments=arguments)
        try:
            yield OnBroker(channel, servers.broker.amqp_url(vhost), contender)
        finally:
            if contender.group is None:
                for queue in (contender.queue, *(f"{contender.queue}.{own}" for own in _OF_DRAMATIQ)):
                    channel.queue_delete(queue)  # of another kind the next time
            else:
                channel.queue_purge(contender.queue)
