"""The lane when the database says nothing: the worker's loop turns on, and each event is done once in the end."""

from collections.abc import Iterator

import pytest

from operations.faults.proxy import Proxy
from tests.integration.workers.lane.parcels import in_lane, noted, processed, see
from tests.integration.workers.stack import Stack, until
from tests.postgres_server import by_way_of_proxy

pytestmark = pytest.mark.long

EVENTS = 300
HELD_SECONDS = 25


@pytest.fixture
def line(stack: Stack) -> Iterator[Proxy]:
    """Between the worker and its database; the worker consumes."""
    if stack.database_url.startswith("sqlite"):
        pytest.skip("SQLite has no line that could be held")
    with by_way_of_proxy(stack.database_url) as (own, proxy):
        stack.start_worker("belt", MILLRACE_DATABASE_URL=own)
        stack.consuming("belt")
        yield proxy
        proxy.let_pass()
        stack.stop()


def test_a_silent_database_does_not_hold_the_loop(stack: Stack, line: Proxy) -> None:
    """Longer than the watchdog of the loop would have it, and than the broker waits for a heartbeat."""
    see(stack, "before")
    until(lambda: processed(stack, "before") == 1, what="the one before")
    line.hold()
    see(stack, *[f"silent{number}" for number in range(EVENTS)])
    worker = stack.processes["belt"]
    with pytest.raises(AssertionError):
        until(lambda: worker.poll() is not None, seconds=HELD_SECONDS, what="its end, which must not come")
    line.let_pass()
    until(lambda: processed(stack, "silent") == EVENTS, seconds=90, what="all of them")
    until(lambda: stack.messages("belt") == 0, seconds=30, what="an empty queue")
    assert noted(stack, "silent") == (EVENTS, EVENTS)
    assert worker.poll() is None


def test_an_old_line_costs_no_event_its_batch(stack: Stack, line: Proxy) -> None:
    """The server was started again meanwhile: the batch is committed over a new line."""
    see(stack, "first")
    until(lambda: processed(stack, "first") == 1, what="the first one")
    line.cut()
    see(stack, "next")
    until(lambda: processed(stack, "next") == 1, what="the next one")
    assert in_lane(stack, "next") == 1
