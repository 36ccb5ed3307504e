"""Several relays at a time on real servers: killed, stopped and stuck while services write."""

import contextlib
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import amqp
import pytest
from millrace.publishing.connection import broker_options
from sqlalchemy import Engine, delete, func, select, text

from tests.integration.millrace.proxy import proxy_to
from tests.integration.workers.outbox_rows import add, placed, write
from tests.integration.workers.stack import Stack, kill_tree, until
from workers.database import begin
from workers.tables import outbox
from workers.watchdog import EX_STUCK

pytestmark = pytest.mark.long

EVENTS = 240
KEYS = "abcdef"
LEASE = 2.0
ROLLED_BACK = "never"
RELAY = "tests.integration.workers.impatient_relay"
#: Every row that becomes published, each time that it does.
MARKS = {
    "sqlite": [
        "CREATE TABLE marks (event_id TEXT)",
        "CREATE TRIGGER mark AFTER UPDATE OF published_at ON millrace_outbox WHEN NEW.published_at IS NOT NULL "
        "BEGIN INSERT INTO marks VALUES (NEW.event_id); END",
    ],
    "postgresql": [
        "CREATE TABLE marks (event_id TEXT)",
        "CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO marks VALUES (NEW.event_id); RETURN NEW; END'",
        "CREATE TRIGGER mark AFTER UPDATE OF published_at ON millrace_outbox FOR EACH ROW "
        "WHEN (NEW.published_at IS NOT NULL) EXECUTE FUNCTION mark()",
    ],
}


@pytest.fixture(scope="module", params=["stack", "postgres_stack"])
def either(request: pytest.FixtureRequest) -> Stack:
    """A stack, once on each store, that notes each time a row is marked as published."""
    found: Stack = request.getfixturevalue(request.param)
    with found.engine() as engine, begin(engine) as connection:
        for statement in MARKS[engine.dialect.name]:
            connection.execute(text(statement))
    return found


@pytest.fixture
def engine(either: Stack) -> Iterator[Engine]:
    """The stack's store with an empty outbox, before an empty queue."""
    with either.engine() as engine:
        with begin(engine) as connection:
            connection.execute(delete(outbox))
            connection.execute(text("DELETE FROM marks"))
        arrived(either)
        yield engine
        either.stop()


def start(stack: Stack, name: str, lease: float = LEASE) -> subprocess.Popen[bytes]:
    """Start a relay, with a short lease if nothing else is said."""
    return stack.start(name, "relay", RELAY, TEST_LEASE=str(lease))


class Undone(Exception):
    """What rolls a transaction back."""


def load(engine: Engine) -> None:
    """Three writers at a time, of the same keys."""

    def writer(number: int) -> None:
        chance = random.Random(number)
        for first in range(0, EVENTS // 3, 2):
            names = [f"{number}-{first + more}" for more in range(2)]
            keys = [chance.choice([*KEYS, None]) for _ in names]
            write(engine, *(placed(name, key) for name, key in zip(names, keys, strict=True)))
            if chance.random() < 0.2:
                with contextlib.suppress(Undone), begin(engine) as connection:
                    add(connection, placed(f"{ROLLED_BACK}-{names[0]}", keys[0]))
                    raise Undone

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(writer, range(3)))


def arrived(stack: Stack) -> list[str]:
    """Everything in the ledger's queue, in its order, taken out."""
    found: list[str] = []
    with amqp.Connection(**broker_options(stack.url("group.ledger"))) as connection:
        channel = connection.channel()
        while (message := channel.basic_get("ledger", no_ack=True)) is not None:
            found.append(str(message.properties["message_id"]))
    return found


def unpublished(stack: Stack) -> int:
    """How many rows wait."""
    return int(stack.rows(select(func.count()).where(outbox.c.published_at.is_(None)))[0][0])


def until_empty(stack: Stack) -> None:
    """Wait until everything is published."""
    until(lambda: unpublished(stack) == 0, what="an empty outbox", seconds=90)


def marks(stack: Stack) -> list[str]:
    """Every event as often as it was marked as published."""
    return [row.event_id for row in stack.rows(select(text("event_id")).select_from(text("marks")))]


def check(stack: Stack, came: list[str]) -> None:
    """Each event came and was marked once, and the first copies of each key came in the order of their ids."""
    rows = stack.rows(select(outbox.c.event_id, outbox.c.partition_key).order_by(outbox.c.id))
    first_copies = list(dict.fromkeys(came))
    assert not [event for event in came if event.startswith(ROLLED_BACK)]
    assert sorted(first_copies) == sorted(row.event_id for row in rows)
    assert sorted(marks(stack)) == sorted(row.event_id for row in rows)
    for key in KEYS:
        written = [row.event_id for row in rows if row.partition_key == key]
        assert [event for event in first_copies if event in set(written)] == written


def test_two_relays_publish_everything_once(either: Stack, engine: Engine) -> None:
    for name in ("one", "two"):
        start(either, name, lease=60.0)
    load(engine)
    until_empty(either)
    either.stop()
    came = arrived(either)
    assert len(came) == len(set(came)) == EVENTS
    check(either, came)


def test_killed_and_stopped_relays_lose_no_event_and_no_order(either: Stack, engine: Engine) -> None:
    """kill -9 in the middle of the load, and one relay stopped until its successor has its rows, then let go on."""
    relays = {name: start(either, name) for name in ("one", "two")}
    until(lambda: all('"started"' in either.log(name) for name in relays), what="both relays")
    writing = threading.Thread(target=load, args=(engine,))
    writing.start()
    for number, name in enumerate(("one", "two")):
        until(lambda number=number: len(marks(either)) > 40 * number, what="progress")  # type: ignore[misc]
        kill_tree(relays[name].pid)
        relays[name].wait(10)
        relays[name] = start(either, name)
    writing.join()
    write(engine, *(placed(f"more-{number}", random.choice(KEYS)) for number in range(EVENTS)))
    before = len(marks(either))
    until(lambda: len(marks(either)) > before, what="progress")
    relays["two"].send_signal(signal.SIGSTOP)
    # on SQLite one that is stopped in its turn keeps the only write lock: there it is let go on after a while
    over = time.monotonic() + (3 * LEASE if "sqlite" in either.database_url else 60)
    until(lambda: unpublished(either) == 0 or time.monotonic() > over, what="the stopped one's work", seconds=90)
    relays["two"].send_signal(signal.SIGCONT)
    write(engine, placed("last", "a"))
    until_empty(either)
    either.stop()
    came = arrived(either)
    print(f"{len(came) - len(set(came))} of {len(set(came))} events came twice")
    check(either, came)


def test_a_relay_that_hangs_in_the_store_ends_and_its_successor_goes_on(postgres_stack: Stack) -> None:
    stack = postgres_stack
    host, port = stack.database_url.split("@")[1].split("/")[0].split(":")
    with stack.engine() as engine, proxy_to(host, int(port)) as proxy:
        through = stack.database_url.replace(f":{port}/", f":{proxy.port}/")
        limits = {"MILLRACE_DATABASE_URL": through, "TEST_STUCK": "3"}
        hanging = stack.start("hanging", "relay", RELAY, **limits)
        write(engine, placed("before"))
        until_empty(stack)
        proxy.black_hole()
        assert hanging.wait(30) == EX_STUCK
        told = json.loads(next(line for line in stack.log("hanging").splitlines() if '"stuck"' in line))
        assert told["seconds"] >= 3
        assert told["step"]
        assert told["since"]
        write(engine, placed("after"))
        proxy.open_all()
        stack.start("next", "relay", RELAY, **limits)
        until_empty(stack)
        stack.stop()
