"""A worker that runs but does not consume ends with an exit code and a reason."""

import amqp
import pytest
from millrace.publishing.connection import broker_options

from tests.integration.workers.connections.calls import answered, call, code_of, start
from tests.integration.workers.connections.catalog import CATALOG
from tests.integration.workers.connections.hasty_worker import STUCK_SECONDS
from tests.integration.workers.stack import Stack, until
from workers.watchdog import EX_STUCK

#: Starting and ending a worker on a loaded machine.
ROOM = 12.0


@pytest.mark.parametrize("fault", ["start", "stuck"])
def test_a_loop_that_does_not_turn_ends_the_worker(running: Stack, fault: str) -> None:
    worker = start(running, "desk", TEST_FAULT=fault)
    assert code_of(running, "desk", worker, STUCK_SECONDS + ROOM) == EX_STUCK
    assert "'service': 'worker of desk'" in running.log("desk") or '"service": "worker of desk"' in running.log("desk")


def test_a_lost_consumer_ends_the_worker(running: Stack) -> None:
    worker = start(running, "desk", TEST_FAULT="consumer")
    assert code_of(running, "desk", worker, ROOM) == EX_STUCK
    assert "the broker knows no consumer of its queue" in running.log("desk")


def test_a_worker_that_gets_nothing_while_messages_wait_ends(running: Stack) -> None:
    """Another consumer, which is full, hides from the count that this worker's is lost."""
    with amqp.Connection(**broker_options(running.url("group.desk"))) as connection:
        channel = connection.channel()
        channel.basic_qos(0, 1, False)
        channel.basic_consume("desk", callback=lambda _message: None)
        before = running.log("desk").count("ready.")
        worker = start(running, "desk", TEST_FAULT="consumer")
        until(lambda: running.log("desk").count("ready.") > before, what="the worker's start")
        until(lambda: running.consumers("desk") == 1, what="the worker to lose its consumer")
        call(running, "one", "two")
        assert code_of(running, "desk", worker, ROOM) == EX_STUCK
    assert "messages wait and none is delivered" in running.log("desk")
    start(running, "desk")
    answered(running, "desk", "one", "two")


def test_a_queue_that_is_deleted_at_once_ends_the_worker(running: Stack) -> None:
    """In the first second of a consumer RabbitMQ 3.10.8 does not tell it that its queue is gone."""
    worker = start(running, "archive")
    running.consuming("archive")
    with running.broker.management() as client:
        client.delete(f"/api/queues/{running.vhost}/archive").raise_for_status()
    assert code_of(running, "archive", worker, ROOM) not in (0, None)
    running.up(CATALOG)


def test_a_pool_that_takes_no_task_ends_the_worker(running: Stack) -> None:
    worker = start(running, "desk", TEST_FAULT="pool")
    call(running, "three")
    assert code_of(running, "desk", worker, 2 * ROOM) == EX_STUCK
    assert "tasks in hand and none has ended" in running.log("desk")
    start(running, "desk")
    answered(running, "desk", "three")
