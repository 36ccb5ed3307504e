"""A group's dead-letter queue is deleted and made again: nothing is lost, and good events go on.

RabbitMQ tries again, after three minutes, what it could not dead-letter; this broker after two seconds.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path

import amqp
import pytest
from millrace import names
from millrace.publishing.connection import broker_options

from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.stack import Stack, running, until
from tests.real_servers import own_broker
from workers.letters import DEAD

pytestmark = pytest.mark.long

BAD = 40
AGAIN = "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 2000)."


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on a broker of its own."""
    directory: Path = tmp_path_factory.mktemp("impatient")
    name = f"d{uuid.uuid4().hex[:8]}"
    with own_broker(directory / "broker") as (broker, control):
        control("eval", AGAIN)
        with running(Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, name)) as one:
            yield one


def publish(stack: Stack, *ids: str, how: str = "well") -> None:
    """Publish orders."""
    with stack.publisher() as publisher:
        for id_ in ids:
            publisher.publish(OrderPlaced(order_id=id_, how=how), id=id_)


def put_bad(stack: Stack, *ids: str) -> None:
    """Publish what the guard refuses."""
    with amqp.Connection(**broker_options(stack.url("service.web")), confirm_publish=True) as connection:
        channel = connection.channel()
        for id_ in ids:
            message = amqp.Message(f'{{"bad": "{id_}"}}', message_id=id_, delivery_mode=2)
            channel.basic_publish(message, names.IN, "order.placed", mandatory=True)


def test_nothing_is_lost_while_the_dead_letter_queue_is_gone(stack: Stack) -> None:
    """The guard's letters wait in the group's queue at the broker, the handlers' in the outbox."""
    stack.start_worker("flaky")
    stack.start_relay()
    stack.consuming("flaky")
    with stack.broker.management() as client:
        client.delete(f"/api/queues/{stack.vhost}/{names.dead_queue('flaky')}").raise_for_status()
    bad = [f"bad{number}" for number in range(BAD)]
    put_bad(stack, *bad)
    publish(stack, "failing", how="never")
    publish(stack, "good")
    until(lambda: stack.outcome("flaky", "good") == "processed", seconds=60, what="the good event behind the bad ones")
    until(lambda: stack.outcome("flaky", "failing") == "dead-lettered", what="the failing event's outcome")
    assert stack.processes["flaky"].poll() is None
    until(lambda: stack.messages("flaky") == BAD, what="the bad ones, kept by the broker in the group's queue")
    stack.up()
    stack.start_keeper()
    until(lambda: len(stack.letters(DEAD)) == BAD + 1, seconds=60, what="a letter for each")
    assert {row.event_id for row in stack.letters(DEAD)} == {*bad, "failing"}
    until(lambda: stack.messages("flaky") == 0, what="nothing to be left")
