"""kill -9 of workers, relay and keeper in the middle of a load: everything once, nothing lost."""

import random
import threading

import psutil
from millrace.envelope import seal
from sqlalchemy import func, select

from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.stack import Stack, kill_tree, until
from workers.tables import accepted, inbox, outbox

EVENTS = 300
KILLS = 12


def restart(stack: Stack, name: str) -> None:
    """Kill a process with its children and start it again, as a supervisor would."""
    process = stack.processes[name]
    kill_tree(process.pid)
    process.wait(10)
    {"relay": stack.start_relay, "keeper": stack.start_keeper}.get(name, lambda: stack.start_worker(name))()


def kill_a_child(stack: Stack, name: str) -> None:
    """Kill one process of a worker's pool; the worker lives on."""
    children = psutil.Process(stack.processes[name].pid).children()
    if children:
        random.choice(children).kill()


def test_every_event_has_its_one_effect(stack: Stack) -> None:
    """The load runs while processes die; at the end the effects are counted in a table without any constraint."""
    for group in ("ledger", "flaky"):
        stack.start_worker(group)
    stack.start_relay()
    stack.start_keeper()
    stack.consuming("ledger", "flaky")
    ids = [f"k{number}" for number in range(EVENTS)]
    done = threading.Event()

    def load() -> None:
        with stack.publisher() as publisher:
            for id_ in ids:
                publisher.publish(OrderPlaced(order_id=id_, how="ship"), id=id_)
        done.set()

    loader = threading.Thread(target=load)
    loader.start()
    victims = ["ledger", "child of flaky", "relay", "flaky", "keeper", "child of ledger"]
    for number in range(KILLS):
        before = stack.count("ledger")[0]
        until(lambda before=before: stack.count("ledger")[0] > before or done.is_set(), what="progress")  # type: ignore[misc]
        name = victims[number % len(victims)]
        if name.startswith("child of "):
            kill_a_child(stack, name.removeprefix("child of "))
        else:
            restart(stack, name)
    loader.join()
    for group in ("ledger", "flaky"):
        until(lambda group=group: stack.count(group)[1] == EVENTS, seconds=60, what=f"{group}'s effects")  # type: ignore[misc]
        assert stack.count(group) == (EVENTS, EVENTS)
    waiting = select(func.count()).where(outbox.c.published_at.is_(None))
    until(lambda: stack.rows(waiting)[0][0] == 0, what="an empty outbox")
    until(lambda: len({row.event_id for row in stack.letters("parked")}) == EVENTS, what="each shipment, parked")
    until(lambda: stack.rows(select(func.count()).select_from(accepted))[0][0] == 2 * EVENTS, what="the index")
    assert stack.letters() == []


def test_a_stopped_worker_finishes_what_it_has_begun(stack: Stack) -> None:
    """SIGTERM in the middle of a load, several times: no attempt is cut, none is repeated, nothing is lost."""
    stack.stop()
    stack.start_worker("ledger")
    stack.consuming("ledger")
    ids = [f"t{number}" for number in range(100)]
    with stack.publisher() as publisher:
        publisher.publish_many([seal(OrderPlaced(order_id=id_), source="/term", id=id_) for id_ in ids])
    mine = select(inbox.c.attempts).where(inbox.c.group_name == "ledger", inbox.c.source == "/term")
    for goal in (10, 40, 70):
        until(lambda goal=goal: len(stack.rows(mine)) >= goal, what=f"{goal} events")  # type: ignore[misc]
        worker = stack.processes.pop("ledger")
        worker.terminate()
        assert worker.wait(20) == 0
        states = select(inbox.c.event_id).where(inbox.c.source == "/term", inbox.c.state != "processed")
        assert stack.rows(states) == []
        stack.start_worker("ledger")
    until(lambda: len(stack.rows(mine)) == len(ids), what="all of them")
    assert {row.attempts for row in stack.rows(mine)} == {1}
