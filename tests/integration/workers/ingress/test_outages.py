"""The ingress while RabbitMQ or SQS is away: nothing is deleted, lost or used up; it goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from prometheus_client import Counter
from sqlalchemy import select

from operations.faults.proxy import Proxy
from tests.integration.workers.ingress.conftest import Service, empty
from tests.integration.workers.ingress.door import AwsDoor
from tests.integration.workers.ingress.test_ingress import cloudevent
from tests.integration.workers.stack import Stack, until
from tests.localstack_server import Aws
from workers.ingress.settling import FAILED, RECEIVED
from workers.service import TROUBLE
from workers.tables import accepted

pytestmark = pytest.mark.long

EVENTS = 30


@pytest.fixture
def broker_line(stack: Stack) -> Iterator[Proxy]:
    """The line to RabbitMQ."""
    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as proxy:
        yield proxy


@pytest.fixture
def aws_line(aws: Aws) -> Iterator[Proxy]:
    """The line to AWS."""
    parts = urlsplit(aws.endpoint)
    with Proxy(parts.hostname or "", parts.port or 0) as proxy:
        yield proxy


def through(stack: Stack, line: Proxy) -> str:
    """The ingress's broker URL by that line."""
    return stack.url("ingress").replace(f":{stack.broker.amqp_port}/", f":{line.port}/")


def counted(counter: Counter, queue: str) -> float:
    """What a metric says of a queue."""
    return float(counter.labels(queue)._value.get())


def ids(stack: Stack) -> set[str]:
    """The ids of what RabbitMQ has accepted."""
    return {row.event_id for row in stack.rows(select(accepted.c.event_id))}


def publish(door: AwsDoor, prefix: str) -> set[str]:
    """Publish some events; their ids."""
    wanted = [f"{prefix}{number}" for number in range(EVENTS)]
    door.publish("order.placed", *(cloudevent(id_) for id_ in wanted))
    return set(wanted)


def test_nothing_is_received_before_rabbitmq_answers(
    stack: Stack, door: AwsDoor, service: Service, broker_line: Proxy
) -> None:
    queue = door.queue("order.placed")
    broker_line.hold()
    before = counted(RECEIVED, queue)
    wanted = publish(door, "early")
    with service.ingress(broker_url=through(stack, broker_line)):
        until(lambda: broker_line.accepted >= 2, what="a second try to reach RabbitMQ")
        assert counted(RECEIVED, queue) == before
        broker_line.let_pass()
        until(lambda: ids(stack) >= wanted, seconds=60, what="all of them")
        empty(door)


@pytest.mark.parametrize("fault", ["refuse", "hold", "hold_answers"])
def test_rabbitmq_goes_and_comes_back(
    stack: Stack, door: AwsDoor, service: Service, broker_line: Proxy, fault: str
) -> None:
    """What is in hand goes back to SQS, what is there stays there; afterwards each event has come in."""
    queue = door.queue("order.placed")
    wanted = publish(door, f"{fault}-before")
    with service.ingress(broker_url=through(stack, broker_line)):
        until(lambda: ids(stack) >= wanted, what="the first ones")
        empty(door)
        failed = counted(FAILED, queue)
        broken = {"refuse": broker_line.refuse, "hold": broker_line.hold}
        broken.get(fault, lambda: broker_line.hold(up=False))()
        later = publish(door, f"{fault}-later")
        until(lambda: counted(FAILED, queue) > failed, what="a batch that is given back")
        until(lambda: counted(FAILED, queue) - failed <= EVENTS and door.held(queue) == EVENTS, what="all in SQS")
        received = counted(RECEIVED, queue)
        shut = publish(door, f"{fault}-shut")
        assert counted(RECEIVED, queue) == received
        broker_line.let_pass()
        until(lambda: ids(stack) >= wanted | later | shut, seconds=60, what="all of them")
        empty(door)
    assert stack.letters("rejected") == []


def test_sqs_goes_and_comes_back(stack: Stack, door: AwsDoor, service: Service, aws_line: Proxy) -> None:
    def in_trouble() -> float:
        return float(TROUBLE.labels("ingress")._value.get())

    endpoint = f"http://127.0.0.1:{aws_line.port}"
    wanted = publish(door, "sqs-before")
    with service.ingress(endpoint=endpoint):
        until(lambda: ids(stack) >= wanted, what="the first ones")
        aws_line.refuse()
        until(in_trouble, what="trouble that shows")
        wanted |= publish(door, "sqs-later")
        aws_line.let_pass()
        until(lambda: ids(stack) >= wanted, seconds=60, what="all of them")
        until(lambda: not in_trouble(), what="no trouble")
        empty(door)


def test_a_queue_that_is_not_there_stops_no_other(stack: Stack, door: AwsDoor, service: Service) -> None:
    aws = door.aws.client("sqs")
    aws.delete_queue(QueueUrl=door.urls.pop(door.queue("order.paid")))
    aws.close()
    wanted = publish(door, "beside")
    with service.ingress():
        until(lambda: ids(stack) >= wanted, seconds=60, what="all of them")
        empty(door)
