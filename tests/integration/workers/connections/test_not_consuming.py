"""A worker that runs but does not consume ends with an exit code and a reason, whatever Celery believes.

Each worker has a fault of its own; they run side by side.
"""

from collections.abc import Iterator

import amqp
import pytest
from millrace.publishing.connection import broker_options

from tests.integration.workers.connections.calls import call, code_of, start
from tests.integration.workers.stack import Stack, until
from workers.watchdog import EX_STUCK

#: Starting and ending so many workers at once, on a loaded machine.
SECONDS = 45.0
#: By the name of the worker: its group and its fault (`hasty_worker`).
FAULTS = {
    "hung-start": ("desk", "start"),
    "stuck-loop": ("desk", "stuck"),
    "lost-consumer": ("lost-consumer", "consumer"),
    "full-neighbour": ("full-neighbour", "consumer"),
    "dead-pool": ("dead-pool", "pool"),
    "no-queue": ("no-queue", "none"),
}


@pytest.fixture(scope="module")
def broken(stack: Stack) -> Iterator[Stack]:
    """All of them, started; what they need to show their fault is done."""
    with amqp.Connection(**broker_options(stack.url("group.full-neighbour"))) as connection:
        neighbour = connection.channel()
        neighbour.basic_qos(0, 1, False)
        call(stack, "one")
        neighbour.basic_consume("full-neighbour", callback=lambda _message: None)
        for name, (group, fault) in FAULTS.items():
            start(stack, group, name=name, TEST_FAULT=fault)
        stack.consuming("no-queue")
        with stack.broker.management() as client:
            client.delete(f"/api/queues/{stack.vhost}/no-queue").raise_for_status()
        for group in ("lost-consumer", "full-neighbour"):
            until(lambda group=group: "ready." in stack.log(group), what=f"the start of {group}")  # type: ignore[misc]
        call(stack, "two", "three")
        yield stack
        connection.collect()
    stack.stop()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hung-start", "worker of desk"),
        ("stuck-loop", "worker of desk"),
        ("lost-consumer", "the broker knows no consumer of its queue"),
        ("full-neighbour", "messages wait and none is delivered"),
        ("dead-pool", "tasks in hand and none has ended"),
    ],
)
def test_the_worker_ends_and_says_why(broken: Stack, name: str, reason: str) -> None:
    assert code_of(broken, name, broken.processes[name], SECONDS) == EX_STUCK
    assert reason in broken.log(name)


def test_a_queue_that_is_deleted_at_once_ends_the_worker(broken: Stack) -> None:
    """In the first second of a consumer RabbitMQ 3.10.8 does not tell it that its queue is gone."""
    assert code_of(broken, "no-queue", broken.processes["no-queue"], SECONDS) not in (0, None)


def test_nothing_is_lost_by_that(broken: Stack) -> None:
    for group in ("full-neighbour", "dead-pool"):
        # A quorum queue's totals lag by up to its tick of 5 s.
        until(lambda group=group: broken.messages(group) == 3, what=f"the three of {group}")  # type: ignore[misc]
