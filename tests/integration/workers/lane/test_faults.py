"""The lane when processes and connections end in the middle of a load: each event once, none lost."""

import json
import signal
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from operations.faults.proxy import Proxy
from tests.integration.workers.connections.calls import by_way_of
from tests.integration.workers.lane.parcels import in_lane, noted, processed, see
from tests.integration.workers.stack import Stack, kill_tree, until
from tests.postgres_server import by_way_of_proxy
from workers.tables import inbox

pytestmark = pytest.mark.long

HASTY = "tests.integration.workers.connections.hasty_worker"
EVENTS = 2000


@pytest.fixture
def belt(stack: Stack) -> Iterator[Stack]:
    """The stack with its worker; each test leaves an empty queue."""
    stack.start_worker("belt")
    stack.consuming("belt")
    yield stack
    stack.stop()
    until(lambda: stack.messages("belt") == 0, what="an empty queue")  # its totals lag by up to its tick of 5 s


def load(stack: Stack, prefix: str, goals: tuple[int, ...]) -> Iterator[int]:
    """Publish, and give each goal once so many events have been processed."""
    see(stack, *[f"{prefix}{number}" for number in range(EVENTS)])
    for goal in goals:
        until(lambda goal=goal: processed(stack, prefix) >= goal, what=f"{goal} events")  # type: ignore[misc]
        yield goal
    until(lambda: processed(stack, prefix) == EVENTS, seconds=60, what="all of them")
    until(lambda: stack.messages("belt") == 0, what="an empty queue")
    assert noted(stack, prefix) == (EVENTS, EVENTS)


def test_killed_in_the_middle(belt: Stack) -> None:
    """kill -9 of the worker and its pool; what it had in hand comes again, and runs one by one."""
    for _ in load(belt, "killed", (100, 500, 900)):
        worker = belt.processes["belt"]
        kill_tree(worker.pid)
        worker.wait(10)
        belt.start_worker("belt")


def test_stopped_in_the_middle(belt: Stack) -> None:
    """SIGTERM: the lane finishes and acks what has arrived, and begins nothing more; the rest goes back."""
    lanes = []
    for _ in load(belt, "stopped", (100, 500, 900)):
        worker = belt.processes.pop("belt")
        lanes.append(f"belt:{worker.pid}@")
        worker.terminate()
        assert worker.wait(20) == 0
        begun = select(inbox.c.event_id).where(inbox.c.event_id.startswith("stopped"), inbox.c.state != "processed")
        assert belt.rows(begun) == []
        belt.start_worker("belt")
        belt.consuming("belt")
    outcomes = [json.loads(line) for line in belt.log("belt").splitlines() if '"absorbed"' in line]
    again = {outcome["id"] for outcome in outcomes if outcome["id"].startswith("stopped")}
    # A process of the pool that ends may leave its last result unread: that event comes again, as in any pool.
    owners = select(inbox.c.event_id, inbox.c.owner).where(inbox.c.event_id.in_(again))
    assert [row for row in belt.rows(owners) if row.owner.startswith(tuple(lanes))] == []


def test_cut_off_in_the_middle(stack: Stack) -> None:
    """The worker connects anew by itself; what it had in hand comes again, and what was committed is absorbed."""
    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as proxy:
        stack.start_worker("belt", MILLRACE_BROKER_URL=by_way_of(proxy, stack, "group.belt"))
        stack.consuming("belt")
        for _ in load(stack, "cut", (100, 500, 900)):
            proxy.cut()
        see(stack, "cut-off-no-more")
        until(lambda: processed(stack, "cut-off-no-more") == 1, what="what came afterwards")
        assert in_lane(stack, "cut-off-no-more") == 1
        assert stack.processes["belt"].poll() is None
        stack.stop()


def test_one_that_hangs(belt: Stack) -> None:
    """It is interrupted, and has its attempts in the pool, while others go on."""
    see(belt, "hanging", how="hangs")
    see(belt, *[f"beside{number}" for number in range(50)])
    until(lambda: processed(belt, "beside") == 50, what="the others")
    until(lambda: belt.outcome("belt", "hanging") == "dead-lettered", what="its end")
    assert in_lane(belt, "beside") == 50


@pytest.mark.long
@pytest.mark.parametrize("how", ["hangs for good", "kills"])
def test_one_that_ends_its_worker_does_so_once(stack: Stack, how: str) -> None:
    """Its neighbours come again and run beside it; it has its attempts in processes of its own, then a dead letter."""
    prefix = how.replace(" ", "-")
    names = [f"{prefix}-{number}" for number in range(50)]
    see(stack, *names[:25])
    see(stack, f"{prefix}-bad", how=how)
    see(stack, *names[25:])
    first = stack.start("belt", "group.belt", HASTY, "belt")
    assert first.wait(60) == (-signal.SIGKILL if how == "kills" else 70)
    second = stack.start("belt", "group.belt", HASTY, "belt")
    until(lambda: processed(stack, f"{prefix}-") == 50, what="the others")
    until(lambda: stack.outcome("belt", f"{prefix}-bad") == "dead-lettered", seconds=90, what="its end")
    assert noted(stack, prefix) == (50, 50)
    assert second.poll() is None
    attempts = select(inbox.c.attempts).where(inbox.c.event_id == f"{prefix}-bad")
    assert stack.rows(attempts)[0].attempts == 2
    stack.stop()


def test_the_database_is_out_for_a_while(stack: Stack) -> None:
    """Nothing is acked that is not committed: it waits in the broker, and is done once when the database is back."""
    if stack.database_url.startswith("sqlite"):
        pytest.skip("SQLite has no line that could be cut")
    with by_way_of_proxy(stack.database_url) as (own, proxy):
        stack.start_worker("belt", MILLRACE_DATABASE_URL=own)
        stack.consuming("belt")
        for _ in load(stack, "out", (100, 700)):
            proxy.refuse()
            proxy.cut()
            time.sleep(1)
            proxy.let_pass()
        assert stack.processes["belt"].poll() is None
        stack.stop()
