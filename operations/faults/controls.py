"""Negative controls: each guard switched off once, the fault it is there for, and the line that must then be red."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from millrace import names
from millrace.publishing import Publisher

from operations.faults import garbage, judging
from operations.faults.armed import OFF_VARIABLE
from operations.faults.careless import CONFIRMS, MANDATORY
from operations.faults.crash_scenarios import crash_fault
from operations.faults.limits import put_policy, within
from operations.faults.load import SOURCE
from operations.faults.process_faults import kill_child, poison
from operations.faults.sample import POISON
from operations.faults.scenario import Fault, Scene
from operations.faults.world import World
from operations.faults.zombies import zombies
from operations.local.fleet import worker_name

BUSY = ("first", "second", "caller")
#: How often a process crashes in a control whose fault is a crash point.
CRASHES = 8


@dataclass(frozen=True, kw_only=True)
class Control:
    """A guard, what happens without it, and how that is seen.

    Attributes:
        at: the groups in whose workers it is switched off; the fewer, the sooner they are started.
        careless: what is switched off in the publisher.
        made: makes the fault where it keeps count in files.
        line: the oracle's line that must be red without the guard.
        settle: the most seconds to wait for an end, if none comes by itself.
    """

    guard: str
    line: str
    fault: Fault | None = None
    at: tuple[str, ...] = ()
    careless: str | None = None
    made: Callable[[Path], Fault] | None = None
    settle: float = 60.0

    def without(self, directory: Path) -> Fault:
        """The fault, on a stack without the guard; `directory` is for the orders of crashes."""
        fault = self.fault or (self.made and self.made(directory))
        if fault is None:
            raise ValueError(f"the control of {self.guard} must have a fault")
        fault = replace(fault, unguarded=True)
        switched = {
            name: {**fault.arming.get(name, {}), OFF_VARIABLE: self.guard} for name in map(worker_name, self.at)
        }
        return replace(fault, arming={**fault.arming, **switched})


def drop_lines_unsent(scene: Scene, _rng: random.Random) -> bool:
    """Hold what the publisher sends for a moment, then reset its line: the broker never had it."""
    if scene.load.done:
        return False
    scene.world.load_proxy.hold(up=True, down=False)
    time.sleep(0.5)
    scene.world.load_proxy.cut()
    scene.world.load_proxy.let_pass()
    return True


def unbind_the_door(scene: Scene, _rng: random.Random) -> bool:
    """Delete every binding of `in` until the load has published without them; took if it has."""
    if scene.load.done:
        return False
    vhost = scene.world.record.vhost
    with scene.world.management() as api:
        for binding in api.get(f"/api/exchanges/{vhost}/{names.IN}/bindings/source").raise_for_status().json():
            kind = "q" if binding["destination_type"] == "queue" else "e"
            path = f"/api/bindings/{vhost}/e/{names.IN}/{kind}/{binding['destination']}/{binding['properties_key']}"
            api.delete(path).raise_for_status()
    # A moment of fixed length may fall between two batches of a steady load, time after time.
    known, failed = len(scene.ledger.accepted), scene.load.failures
    met = within(lambda: len(scene.ledger.accepted) > known or scene.load.failures > failed)
    scene.world.apply()
    return met


def publish_again(scene: Scene, rng: random.Random) -> bool:
    """Publish events again that were confirmed before."""
    known = [event for event in scene.load.events if event.id in scene.ledger.accepted]
    with Publisher(scene.world.load_url(), source=SOURCE, catalog=scene.world.catalog) as publisher:
        publisher.publish_many(rng.sample(known, min(5, len(known))))
    return bool(known)


def odd_bodies(scene: Scene, _rng: random.Random) -> bool:
    """Put bodies on a group's queue that Celery cannot take."""
    return _put(scene, garbage.odd_bodies("begun"))


def odd_headers(scene: Scene, _rng: random.Random) -> bool:
    """Put messages in Celery's format on a group's queue, with headers that it does not check."""
    return _put(scene, garbage.odd_headers())


def _put(scene: Scene, messages: Sequence[garbage.Odd]) -> bool:
    scene.ledger.invalid.update(body for body, _headers in messages)
    garbage.put_on_queue(scene.world, names.group_queue("first"), messages)
    return True


def reject_without_a_dead_letter_queue(scene: Scene, rng: random.Random, *, strategy: str | None = None) -> bool:
    """Delete the dead-letter queue's binding, put garbage on the group's queue, and bind it again a while later."""
    vhost = scene.world.record.vhost
    with scene.world.management() as api:
        if strategy:
            _set_strategy(api, vhost, strategy)
        dead = names.dead_queue("first")
        for binding in api.get(f"/api/bindings/{vhost}/e/{names.DEAD}/q/{dead}").raise_for_status().json():
            api.delete(f"/api/bindings/{vhost}/e/{names.DEAD}/q/{dead}/{binding['properties_key']}").raise_for_status()
    odd_bodies(scene, rng)
    time.sleep(2)
    scene.world.apply()
    return True


def at_most_once(scene: Scene, rng: random.Random) -> bool:
    """The same, with the strategy that RabbitMQ has by default."""
    return reject_without_a_dead_letter_queue(scene, rng, strategy="at-most-once")


def _set_strategy(api: httpx.Client, vhost: str, strategy: str) -> None:
    path = f"/api/policies/{vhost}/first"
    policy = api.get(path).raise_for_status().json()
    put_policy(api, path, {**policy, "definition": {**policy["definition"], "dead-letter-strategy": strategy}})
    time.sleep(1)


def strand(scene: Scene, _rng: random.Random) -> int:
    """Lose every line of the stack without a word, both ends still take it for open; each line counts."""
    return scene.world.workers_proxy.strand()


@contextmanager
def may_publish_itself(world: World) -> Iterator[None]:
    """The group's user may send to any exchange, as it would have to without an outbox: only crashes lose events."""
    path = f"/api/permissions/{world.record.vhost}/{names.group_user(world.record.vhost, 'first')}"
    with world.management() as api:
        usual = api.get(path).raise_for_status().json()
        api.put(path, json={**{kind: usual[kind] for kind in ("configure", "read")}, "write": ".*"}).raise_for_status()
    try:
        yield
    finally:
        world.apply()


def dual_write(directory: Path) -> Fault:
    """A process dies between its commit and what it would then send."""
    fault = crash_fault("after the commit, before the ack", directory, CRASHES)
    return replace(fault, around=may_publish_itself)


def published_twice(directory: Path) -> Fault:
    """The relay dies between the broker's confirms and its own mark: the next group is given the same events again."""
    return crash_fault("relay: published, not marked", directory, CRASHES)


def lane_killed(directory: Path) -> Fault:
    """A worker dies in its lane, with events in hand."""
    return crash_fault("lane: handlers have ended, nothing is in the database", directory, CRASHES)


def kill_first(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL the worker of `first`, which always has slow events in hand; those of others may have none."""
    return scene.world.signal(scene.world.worker("first"), signal.SIGKILL)


DOOR = Fault(name="door unbound", inject=unbind_the_door, lasting=25.0)
AGAIN = Fault(name="published again", inject=publish_again)
UNSENT = Fault(name="lines dropped unsent", inject=drop_lines_unsent, lasting=10.0)
BODIES = Fault(name="odd bodies", inject=odd_bodies)
HEADERS = Fault(name="odd headers", inject=odd_headers)
# A worker whose new line is lost before its heartbeat began ends itself, to be started again.
LOST_LINES = Fault(
    name="lines lost without a word", inject=strand, injections=2, least=5, tolerated=frozenset({judging.DIED})
)
NO_DEAD_QUEUE = Fault(name="dead-letter queue unbound", inject=reject_without_a_dead_letter_queue)
CHILD = Fault(name="kill -9 of a pool process", inject=kill_child, injections=8, behaviour={"slowly": 0.5})
WORKER = Fault(name="kill -9 of a worker", inject=kill_first, injections=4, behaviour={"slowly": 0.5})
POISONED = Fault(name="poison", inject=poison, injections=1, least=POISON, poison=True)
#: Those of the faults above that belong to the suite in their own right, with every guard on.
FAULTS = (DOOR, AGAIN, UNSENT, BODIES, HEADERS, LOST_LINES, NO_DEAD_QUEUE)

#: Where the fault is a moment without something, the load is so dense that each moment meets a batch of it, and the
#: moments are so few that they fit into the load on a slow machine.
CONTROLS = (
    Control(guard="acks_late", at=BUSY, fault=WORKER, line=judging.LOST),
    Control(guard="reject_on_worker_lost", at=BUSY, fault=CHILD, line=judging.DEAD),
    Control(guard="confirms", careless=CONFIRMS, fault=replace(UNSENT, lasting=4.0, injections=3), line=judging.LOST),
    Control(guard="mandatory", careless=MANDATORY, fault=replace(DOOR, lasting=12.0, injections=2), line=judging.LOST),
    Control(guard="inbox", at=BUSY, fault=AGAIN, line=judging.DOUBLED),
    Control(guard="inbox of the lane", at=("second",), made=published_twice, line=judging.DOUBLED),
    Control(guard="acks of the lane", at=("second",), made=lane_killed, line=judging.LOST),
    Control(guard="fence", at=("first",), made=zombies, line=judging.DOUBLED),
    Control(guard="guarded consumer", at=("first",), fault=replace(BODIES, lasting=8.0), line=judging.DIED, settle=5.0),
    Control(guard="header check", at=("first",), fault=replace(HEADERS, lasting=8.0), line=judging.DIED, settle=5.0),
    Control(guard="outbox", at=("first",), made=dual_write, line=judging.LOST),
    # An attempt that was killed comes again after its lease (14 s): the third one, which there must not be, in 30 s.
    Control(guard="attempt counting", at=("poisoned",), fault=POISONED, line=judging.TRIED_TOO_OFTEN, settle=45.0),
    # What a worker holds that does not know that it is cut off stays there. With the guard on, the same fault of the
    # suite is green within 50 s.
    Control(
        guard="heartbeat",
        at=BUSY,
        fault=replace(LOST_LINES, lasting=5.0),
        line=judging.LEFT_OVER,
        settle=70.0,
    ),
    Control(
        guard="at-least-once dead-lettering",
        fault=replace(NO_DEAD_QUEUE, inject=at_most_once),
        line=judging.UNRECORDED,
        settle=8.0,
    ),
)
