"""One group's stuck or full queue, or a poisoned event type, is that group's trouble only."""

import time
from collections.abc import Iterator

import amqp
import pytest
from millrace.errors import Refused
from millrace.publishing.connection import broker_options

from operations.verify import verify
from tests.integration.workers.sample_catalog import CATALOG, OrderPlaced, OrderShipped
from tests.integration.workers.stack import Stack, until

pytestmark = pytest.mark.long

EVENTS = 200
#: What so many confirmed events and their effects may take, on a loaded machine.
SECONDS = 30


@pytest.fixture(scope="module", autouse=True)
def _running(stack: Stack) -> None:
    """Only one of three groups has a worker."""
    stack.start_worker("ledger")
    stack.consuming("ledger")


def test_a_stuck_group_slows_nobody(stack: Stack) -> None:
    """Nobody takes flaky's events; fragile's only consumer holds what it has been given."""
    with amqp.Connection(**broker_options(stack.url("group.fragile"))) as stuck, stack.publisher() as publisher:
        stuck.channel().basic_consume("fragile", callback=lambda _message: None)
        started = time.monotonic()
        publisher.publish_many(OrderPlaced(order_id=f"s{number}") for number in range(EVENTS))
        assert time.monotonic() - started < SECONDS
        until(lambda: stack.count("ledger")[0] >= EVENTS, seconds=SECONDS, what="ledger's effects")
        stuck.collect()
    # A quorum queue's totals lag by up to its tick of 5 s.
    until(lambda: stack.messages("flaky") == stack.messages("fragile") == EVENTS, what="all at each group's queue")


@pytest.fixture
def full(stack: Stack) -> Iterator[str]:
    """Somebody has given flaky's queue a length, by hand; gives the policy's path."""
    path = f"/api/policies/{stack.vhost}/by-hand"
    definition = {"max-length": 1, "overflow": "reject-publish"}
    policy = {"pattern": "^flaky$", "definition": definition, "priority": 10, "apply-to": "queues"}
    with stack.broker.management() as client:
        client.put(path, json=policy).raise_for_status()
        yield path
        client.delete(path)


def test_a_queue_made_full_by_hand_is_named_and_costs_no_other_group(stack: Stack, full: str) -> None:
    """A nack says only that one queue has refused: the others have the event, and absorb it when it comes again."""
    with stack.publisher() as publisher:

        def refused() -> Refused | None:
            try:
                publisher.publish(OrderPlaced(order_id="full"), id="full")
            except Refused as error:
                return error
            return None

        error = until(refused, what="a nack")
        assert str(error).startswith("the broker refused 'order.placed' at exchange 'in'")
        until(lambda: stack.outcome("ledger", "full") == "processed", what="ledger's part")
        publisher.publish(OrderShipped(order_id="other"), id="other")
        login = f"http://{stack.broker.admin_user}:{stack.broker.admin_password}@"
        admin = stack.broker.management_url.replace("http://", login)
        assert any("flaky" in line for line in verify(admin, stack.vhost, CATALOG).differences)
        before = stack.messages("flaky")
        with stack.broker.management() as client:
            client.delete(full).raise_for_status()

        def taken() -> bool:
            return refused() is None

        until(taken, what="a confirm")
    until(lambda: stack.messages("flaky") > before, what="flaky's part")
    until(lambda: stack.messages("ledger") == 0, what="ledger to absorb it")
    assert len(stack.effects("ledger", "full")) == 1


def test_a_poisoned_type_in_one_group_is_that_group_s_only(stack: Stack) -> None:
    """Fragile's worker dies of each, again and again."""
    before = stack.count("ledger")[0]
    stack.start_worker("fragile")
    with stack.publisher() as publisher:
        for number in range(20):
            publisher.publish(OrderPlaced(order_id=f"p{number}", how="segfault"), id=f"p{number}")
    until(lambda: stack.count("ledger")[0] == before + 20, seconds=SECONDS, what="ledger's effects")
