"""Many events, each retried several times through ever other levels of the delay: all come back.

A broker drops, without a word, what its header x-death says has been in a queue before (dead-letter cycle detection);
a retry is a new message without that header.
"""

import json
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from tests.integration.workers.sample_catalog import GROWING, OrderPlaced
from tests.integration.workers.stack import Stack, running, until
from tests.real_servers import Broker
from workers.tables import inbox

pytestmark = pytest.mark.long

EVENTS = 200
ATTEMPTS = GROWING.group("flaky").retry.attempts


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on SQLite whose group flaky has back-offs that grow."""
    directory = tmp_path_factory.mktemp("stack")
    one = Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, f"g{uuid.uuid4().hex[:8]}")
    with running(one):
        yield one


def delays(stack: Stack) -> list[int]:
    """How long the worker let retries wait, in seconds, as it has logged them."""
    lines = [json.loads(line) for line in stack.log("flaky").splitlines() if '"outcome":"retrying"' in line]
    return [int(line["delay"]) for line in lines]


def test_no_retry_is_lost_on_its_way_through_the_levels(stack: Stack) -> None:
    stack.start_worker("flaky", MILLRACE_CATALOG="tests.integration.workers.sample_catalog:GROWING")
    stack.start_relay()
    stack.start_keeper()
    stack.consuming("flaky")
    ids = [f"d{number}" for number in range(EVENTS)]
    with stack.publisher() as publisher:
        for id_ in ids:
            publisher.publish(OrderPlaced(order_id=id_, how="sixth time"), id=id_)
    mine = (inbox.c.group_name == "flaky", inbox.c.state == "processed")
    done = select(func.count()).where(*mine, inbox.c.attempts == ATTEMPTS)
    until(lambda: stack.rows(done)[0][0] == EVENTS, seconds=100, what="all events, at their sixth attempt")
    assert stack.count("flaky") == (EVENTS, EVENTS)
    waited = delays(stack)
    assert len(waited) == EVENTS * (ATTEMPTS - 1)
    assert set(range(1, 9)) <= set(waited), "each of the lower four levels alone, and mixed"
    until(lambda: stack.messages("flaky") == 0, what="an empty queue")
    assert (stack.letters("dead"), stack.letters("parked")) == ([], [])
