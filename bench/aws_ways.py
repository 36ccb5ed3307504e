"""The ways for events out of an SQS queue: what runs, what it is told, and how many have come through."""

import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import amqp
from millrace import aws_names

from bench.catalog import OrderPlaced
from bench.crew import ROOT
from bench.servers import Servers
from operations.packaging import Package, build
from tests.integration.workers.stack import Stack
from tests.localstack_server import Aws

LOOP, MILLRACE, LAMBDA = "plain boto3 loop", "Millrace", "Millrace, in Lambda"
GROUP, FUNCTION = "with-effect", "in-lambda"
_LOOP_QUEUE = "bench-sqs"
_QUORUM = {"x-queue-type": "quorum"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """The servers, with a stack that has an AWS door, at an account of LocalStack's."""

    servers: Servers
    stack: Stack
    aws: Aws

    @property
    def ingress_queue(self) -> str:
        """The SQS queue through which the event comes in."""
        return aws_names.ingress_queue(self.stack.vhost, OrderPlaced.event_type)

    @property
    def function_queue(self) -> str:
        """The SQS queue of the function."""
        return aws_names.function_queue(self.stack.vhost, FUNCTION)

    @property
    def queues(self) -> tuple[str, str]:
        """All that the topic's events go to."""
        return self.ingress_queue, self.function_queue

    def url(self, queue: str) -> str:
        """A queue's URL."""
        return aws_names.queue_url(self.aws.endpoint, self.aws.region, self.aws.account, queue)

    def told(self, purpose: str) -> dict[str, str]:
        """What a process of ours is told."""
        return {
            **self.stack.environment(purpose),
            **self.aws.environment,
            "MILLRACE_AWS_REGION": self.aws.region,
            "MILLRACE_AWS_ACCOUNT": self.aws.account,
            "MILLRACE_AWS_ENDPOINT": self.aws.endpoint,
            "MILLRACE_VHOST": self.stack.vhost,
        }


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way, ready to be started; events are let wait in `queue`."""

    queue: str
    commands: list[list[str]]
    environment: dict[str, str]
    arrived: Callable[[], int]


Way = Callable[[Place], AbstractContextManager[Route]]


@contextmanager
def loop_to_broker(place: Place) -> Iterator[Route]:
    """The loop, publishing each with its confirm."""
    with place.servers.channel(place.servers.peers) as channel:
        channel.queue_declare(_LOOP_QUEUE, durable=True, auto_delete=False, arguments=_QUORUM)
        channel.queue_purge(_LOOP_QUEUE)
        yield _loop(place, "broker", lambda: _ready(channel, _LOOP_QUEUE))


@contextmanager
def loop_to_handler(place: Place) -> Iterator[Route]:
    """The loop, calling a handler that writes a row, without an inbox."""
    with _orders(place.servers) as arrived:
        yield _loop(place, "handler", arrived)


def _loop(place: Place, what: str, arrived: Callable[[], int]) -> Route:
    servers = place.servers
    told = {
        **place.aws.environment,
        "BENCH_SQS_QUEUE": place.ingress_queue,
        "BENCH_QUEUE": _LOOP_QUEUE,
        "BENCH_BROKER_URL": servers.broker.amqp_url(servers.peers),
        "BENCH_DATABASE_URL": servers.plain_database_url,
        "BENCH_WORK": "effect",
    }
    command = [[sys.executable, "-m", "bench.peers.sqs_loop", what]]
    return Route(queue=place.ingress_queue, commands=command, environment=told, arrived=arrived)


@contextmanager
def to_broker(place: Place) -> Iterator[Route]:
    """The ingress; nobody consumes."""
    with place.servers.channel(place.stack.vhost) as channel:
        channel.queue_purge(GROUP)
        yield Route(
            queue=place.ingress_queue,
            commands=[[sys.executable, "-m", "workers.ingress"]],
            environment=place.told("ingress"),
            arrived=lambda: _ready(channel, GROUP),
        )
        channel.queue_purge(GROUP)


@contextmanager
def to_lane(place: Place) -> Iterator[Route]:
    """The ingress and a worker of a group in a lane: inbox and effect in one transaction."""
    with _orders(place.servers) as arrived:
        # Each has a broker user of its own; all else they are told alike.
        own_user = f"MILLRACE_BROKER_URL={place.stack.url(f'group.{GROUP}')}"
        yield Route(
            queue=place.ingress_queue,
            commands=[
                [sys.executable, "-m", "workers.ingress"],
                ["/usr/bin/env", own_user, sys.executable, "-m", "workers", GROUP],
            ],
            environment=place.told("ingress"),
            arrived=arrived,
        )


@contextmanager
def to_lambda(place: Place) -> Iterator[Route]:
    """A function behind AWS's runtime interface client, its inbox in DynamoDB."""
    package = _package(place.servers.directory / "functions")
    with _gone(place) as arrived:
        yield Route(
            queue=place.function_queue,
            commands=[[sys.executable, "-m", "operations.local.lambda_runner", FUNCTION]],
            environment={**place.told("relay"), "MILLRACE_PACKAGE": str(package)},
            arrived=arrived,
        )


@contextmanager
def _gone(place: Place) -> Iterator[Callable[[], int]]:
    """How many the function has handled: what has left its queue for good."""
    client = place.aws.client("sqs")
    url = place.url(place.function_queue)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    most = [0]

    def arrived() -> int:
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        waiting = sum(int(found[name]) for name in names)
        most[0] = max(most[0], waiting)
        return most[0] - waiting

    yield arrived
    client.close()


@contextmanager
def _orders(servers: Servers) -> Iterator[Callable[[], int]]:
    """How many rows the handlers have written."""
    with servers.database() as database:
        database.execute("truncate bench_orders, bench_inbox, millrace_inbox")

        def arrived() -> int:
            row: Any = database.execute("select count(*) from bench_orders").fetchone()
            return int(row[0])

        yield arrived


def _ready(channel: amqp.Channel, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).message_count)


def _package(directory: Path) -> Path:
    """What functions are deployed as, with the benchmark's own handlers in it."""
    package = build(Package(False, libraries=False), directory, directory)
    with zipfile.ZipFile(package, "a") as archive:
        for path in sorted((ROOT / "bench").rglob("*.py")):
            archive.write(path, path.relative_to(ROOT).as_posix())
    return package
