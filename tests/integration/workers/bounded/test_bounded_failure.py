"""A handler that fails in the worst way at every attempt ends as a dead letter, and its neighbours are not counted."""

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import amqp
import pytest
from millrace import names, seal
from millrace.publishing import Publisher
from millrace.publishing.connection import broker_options
from sqlalchemy import select

from tests.integration.workers.bounded.catalog import ATTEMPTS, CATALOG, GROUPS, CrateLoaded
from tests.integration.workers.stack import Stack, prepare_store, until
from tests.real_servers import Broker
from workers.tables import inbox

pytestmark = pytest.mark.long

HERE = "tests.integration.workers.bounded"
TRACE = "0af7651916cd43dd8448eb211c80319c"
NEIGHBOURS = 8


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack on SQLite with a worker of one process for each group."""
    directory = tmp_path_factory.mktemp("stack")
    one = Stack(
        broker,
        f"sqlite:///{directory / 'millrace.db'}",
        directory,
        f"b{uuid.uuid4().hex[:8]}",
        catalog_name=f"{HERE}.catalog:CATALOG",
        handlers=f"{HERE}.handlers",
    )
    prepare_store(one.database_url)
    one.up(CATALOG)
    try:
        for group in GROUPS:
            start(one, group)
        one.start_relay()
        one.start_keeper()
        one.consuming(*GROUPS)
        yield one
    finally:
        one.stop()
        one.destroy()


def start(stack: Stack, group: str) -> None:
    """Start a group's worker."""
    stack.start(group, f"group.{group}", f"{HERE}.greedy_worker", group, MILLRACE_CONCURRENCY="1")


def load(stack: Stack, *crates: str, bad: bool = False) -> None:
    """Publish crates; the event's id is the crate's name."""
    traceparent = f"00-{TRACE}-b7ad6b7169203331-01"
    with Publisher(stack.url("service.web"), source="/web", catalog=CATALOG) as publisher:
        for name in crates:
            payload = CrateLoaded(name=name, bad=bad)
            publisher.publish(seal(payload, source="/web", id=name, traceparent=traceparent))


def recorded(stack: Stack, group: str, name: str) -> tuple[str, int] | None:
    """State and attempts of a crate."""
    mine = (inbox.c.group_name == group, inbox.c.event_id == name)
    found = stack.rows(select(inbox.c.state, inbox.c.attempts).where(*mine))
    return (found[0].state, found[0].attempts) if found else None


def none_waits(stack: Stack, group: str) -> bool:
    """Whether all that a queue holds is in its worker's hand."""
    with amqp.Connection(**broker_options(stack.url("keeper"))) as connection:
        found = connection.channel().queue_declare(names.group_queue(group), passive=True)
    return int(found.message_count) == 0


def is_running(stack: Stack, group: str, attempt: int) -> bool:
    """Whether a group is at this attempt of the bad crate."""
    return recorded(stack, group, "bad") == ("running", attempt)


def letter_of(stack: Stack, group: str) -> Any:
    """A group's open dead letter, once it is there."""
    found = until(lambda: [row for row in stack.letters() if row.group_name == group], seconds=60, what=group)
    assert len(found) == 1
    return found[0]


def test_the_worst_handlers_end_and_their_neighbours_are_not_counted(stack: Stack) -> None:
    """At each attempt other crates have been given to the worker, which works on one at a time."""
    load(stack, "bad", bad=True)
    neighbours = []
    for attempt in range(1, ATTEMPTS + 1):
        for group in GROUPS:
            until(partial(is_running, stack, group, attempt), seconds=60, what=f"attempt {attempt} of {group}")
        wave = [f"good-{attempt}-{number}" for number in range(NEIGHBOURS)]
        load(stack, *wave)
        neighbours += wave
        for group in GROUPS:
            until(partial(none_waits, stack, group), what=f"all to be in the hand of {group}'s worker")
            assert recorded(stack, group, wave[0]) is None, "they must have waited in its hand only"
        worker = stack.processes.pop("orphaned")
        (stack.directory / f"break-{attempt}").touch()
        worker.wait(30)
        start(stack, "orphaned")
    for group in GROUPS:
        letter = letter_of(stack, group)
        assert (letter.event_id, letter.cause, letter.attempts) == ("bad", "attempts exhausted", ATTEMPTS)
        assert letter.error == "the worker was lost or overran its time each time"
        assert letter.worker.startswith(f"{group}:")
        assert TRACE in letter.traceparent
        for name in neighbours:
            until(lambda n=name, g=group: stack.outcome(g, n) == "processed", what=f"{name} of {group}")  # type: ignore[misc]
            assert recorded(stack, group, name) == ("processed", 1)
            assert len(stack.effects(group, name)) == 1
    assert all(stack.processes[group].poll() is None for group in GROUPS)
