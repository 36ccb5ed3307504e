"""PostgreSQL is killed while messages are dead-lettered: nothing is lost, and each letter is stored once."""

import uuid
from collections.abc import Iterator

import pytest
from millrace import names

from tests.integration.workers.stack import Stack, running, until
from tests.integration.workers.stores.own_postgres import OwnPostgres, own_postgres
from tests.integration.workers.test_dead_queue_gone import publish, put_bad
from tests.real_servers import Broker

pytestmark = pytest.mark.long

#: Each: so many that the guard refuses, that their handler refuses, and that are good.
MANY = 30


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    """A server of the test's own."""
    with own_postgres() as own:
        yield own


@pytest.fixture(scope="module")
def stack(broker: Broker, postgres: OwnPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose effects, inbox and letters are there."""
    one = Stack(broker, postgres.url, tmp_path_factory.mktemp("stack"), f"o{uuid.uuid4().hex[:8]}")
    with running(one):
        one.start_worker("flaky")
        one.start_relay()
        one.start_keeper()
        one.consuming("flaky")
        yield one


def load(stack: Stack, part: str) -> tuple[set[str], set[str]]:
    """Publish a part of the load; gives what must become a letter, and what must be processed."""
    bad, failing, good = ([f"{part}-{kind}-{number}" for number in range(MANY)] for kind in ("bad", "failing", "good"))
    put_bad(stack, *bad)
    publish(stack, *failing, how="never")
    publish(stack, *good)
    return {*bad, *failing}, set(good)


def test_nothing_is_lost_and_nothing_is_stored_twice(stack: Stack, postgres: OwnPostgres) -> None:
    """Killed in the middle of the first part; the second comes while it is down."""
    letters, good = load(stack, "before")
    until(stack.letters, what="the first letters")
    postgres.kill()
    more_letters, more_good = load(stack, "down")
    dead = names.dead_queue("flaky")
    until(lambda: stack.messages(dead) >= MANY, seconds=60, what="the guard's letters, which wait at the broker")
    until(lambda: stack.messages("flaky") == 0, seconds=60, what="the handler's, which wait in a delay")
    postgres.start()
    letters |= more_letters
    good |= more_good
    until(lambda: {row.event_id for row in stack.letters()} == letters, seconds=90, what="all letters")
    for id_ in good:
        until(lambda id_=id_: stack.outcome("flaky", id_) == "processed", seconds=60, what=id_)  # type: ignore[misc]
    until(lambda: stack.messages(dead) == stack.messages("flaky") == 0, what="empty queues")
    assert len(stack.letters()) == len(letters)
    assert all(len(stack.effects("flaky", id_)) == 1 for id_ in good)
    failing = {id_ for id_ in letters if "failing" in id_}
    assert {stack.outcome("flaky", id_) for id_ in failing} == {"dead-lettered"}
    assert {row.cause for row in stack.letters()} == {"invalid", "permanent"}
