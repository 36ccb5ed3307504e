"""The ingress as a process: ended in the middle of its work, politely and not; nothing is lost, nothing done twice."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from sqlalchemy import select

from tests.integration.workers.ingress.conftest import empty
from tests.integration.workers.ingress.door import AwsDoor
from tests.integration.workers.ingress.test_ingress import cloudevent
from tests.integration.workers.stack import Stack, kill_tree, until
from workers.ingress.readers import STOP_SECONDS
from workers.tables import accepted

pytestmark = pytest.mark.long

EVENTS = 2_000
KILLS = 3


def start(stack: Stack, door: AwsDoor) -> None:
    """Start the ingress."""
    stack.start("ingress", "ingress", "workers.ingress", **door.settings())


def hidden(door: AwsDoor, queue: str) -> int:
    """How many messages somebody has in hand."""
    name = "ApproximateNumberOfMessagesNotVisible"
    with closing(door.aws.client("sqs")) as sqs:
        found = sqs.get_queue_attributes(QueueUrl=door.urls[queue], AttributeNames=[name])
    return int(found["Attributes"][name])


def came(stack: Stack, source: str) -> int:
    """How many events of a source RabbitMQ has accepted."""
    return len(stack.rows(select(accepted.c.event_id).where(accepted.c.source == source)))


def publish(door: AwsDoor, source: str, count: int) -> None:
    """Publish so many events."""
    events = [cloudevent(f"{source[1:]}-{number}", source=source) for number in range(count)]
    door.publish("order.placed", *events)


@pytest.mark.parametrize("service", ["ingress", "egress"])
def test_without_a_word_where_aws_is_it_does_not_start(stack: Stack, service: str) -> None:
    process = stack.start(service, service, f"workers.{service}")
    assert process.wait(20) == 78
    stack.processes.pop(service)
    assert f"the {service} does not start: MILLRACE_AWS_REGION" in stack.log(service)


@pytest.mark.timeout(420)
def test_killed_again_and_again(stack: Stack, door: AwsDoor) -> None:
    """Each of 2,000 events comes in with its id, so it has its one effect; SQS and all dead letters are empty."""
    stack.start_worker("ledger")
    stack.consuming("ledger")
    before = stack.count("ledger")[0]
    loader = threading.Thread(target=publish, args=(door, "/killed", EVENTS))
    loader.start()
    for number in range(KILLS):
        start(stack, door)
        goal = (number + 1) * EVENTS // (KILLS + 2)
        until(lambda goal=goal: came(stack, "/killed") >= goal, seconds=60, what=f"{goal} events")  # type: ignore[misc]
        process = stack.processes.pop("ingress")
        kill_tree(process.pid)
        process.wait(5)
    loader.join()
    start(stack, door)
    until(lambda: came(stack, "/killed") == EVENTS, seconds=90, what="all of them")
    empty(door)
    until(lambda: stack.count("ledger")[0] - before >= EVENTS, what="their effects")
    until(lambda: stack.messages("ledger") == 0, what="an empty queue")
    assert stack.count("ledger")[0] - before == EVENTS
    assert stack.letters("dead") + stack.letters("rejected") == []
    stack.end("ingress", "ledger")


def test_a_stopped_ingress_ends_what_it_has_begun(stack: Stack, door: AwsDoor) -> None:
    """SIGTERM in the middle of a load: it ends in time with 0, and has nothing in hand any more."""
    count = 300
    queue = door.queue("order.placed")
    publish(door, "/term", count)
    start(stack, door)
    until(lambda: came(stack, "/term") > 0, what="the first events")
    process = stack.processes.pop("ingress")
    process.terminate()
    assert process.wait(STOP_SECONDS) == 0
    assert hidden(door, queue) == 0
    until(lambda: came(stack, "/term") == count - door.held(queue), what="all that left SQS")
    start(stack, door)
    until(lambda: came(stack, "/term") == count, what="all of them")
    empty(door)
    stack.end("ingress")
    assert "not all ended" not in stack.log("ingress")
