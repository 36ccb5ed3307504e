"""Faults of what a broker has room for: a full queue, a full disk."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import httpx
import psutil
from millrace import names
from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.exc import SQLAlchemyError

from operations.faults.effects import effects
from operations.faults.scenario import Fault, Scene
from operations.faults.world import World
from operations.local.errors import LocalError
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import control
from workers.database import reading
from workers.tables import outbox

#: How long a queue stays as good as full once it has refused something, and how long that may take.
FULL_SECONDS, PATIENCE_SECONDS = 3.0, 10.0
ALARM_SECONDS = 15.0
#: More than any disk has free, in bytes; what the broker of the suite has usually.
ALARMING, USUAL = str(2**60), "100MB"


def full_queue(scene: Scene, _rng: random.Random) -> bool:
    """Let the queue of `second`, then that of `first`, hold a single message while its worker stands still.

    Who publishes to it is refused. It counts if the relay was refused while the load and the other groups went on, and
    then the load was.
    """
    world = scene.world
    if not all(world.pid(world.worker(group)) for group in ("first", "second")):
        return False
    try:
        return _relay_refused(scene) and _load_refused(scene)
    except SQLAlchemyError:  # nobody can tell whether it took
        return False


def _relay_refused(scene: Scene) -> bool:
    """Only the relay publishes for `second`: the load must not be refused, and the others' effects must go on."""

    def refused() -> int:
        return _count(scene.world, outbox, outbox.c.attempts > 0)

    def others() -> int:
        return _count(scene.world, effects, effects.c.group_name != "second")

    before, done, failed = refused(), others(), scene.load.failures
    with limited(scene.world, "second"):
        took = within(lambda: refused() > before)
        time.sleep(FULL_SECONDS)
        return took and others() > done and scene.load.failures == failed


def _load_refused(scene: Scene) -> bool:
    before = scene.load.failures
    with limited(scene.world, "first"):
        took = within(lambda: scene.load.failures > before)
        time.sleep(FULL_SECONDS)
        return took


def _count(world: World, table: Table, condition: ColumnElement[bool]) -> int:
    with reading(world.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one())


def within(condition: Callable[[], bool], seconds: float | None = None) -> bool:
    """Whether a condition comes to hold in so many seconds, or in ten."""
    deadline = time.monotonic() + (PATIENCE_SECONDS if seconds is None else seconds)
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@contextmanager
def limited(world: World, group: str) -> Iterator[None]:
    """A group's queue that holds one message, by its own policy, and whose worker stands still; both end afterwards."""
    with stalled(world, group), narrow(world, group):
        yield


@contextmanager
def stalled(world: World, group: str) -> Iterator[None]:
    """Freeze the main process of a group's worker: it takes no more than it has."""
    pid = world.pid(world.worker(group))
    if pid is None:
        raise LocalError(f"the worker of {group} must run, got none")
    worker = psutil.Process(pid)
    worker.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            worker.resume()


@contextmanager
def narrow(world: World, group: str) -> Iterator[None]:
    """Let a group's queue hold one message."""
    path = f"/api/policies/{world.record.vhost}/{names.group_queue(group)}"
    with world.management() as api:
        usual = api.get(path).raise_for_status().json()
        put_policy(api, path, {**usual, "definition": {**usual["definition"], "max-length": 1}})
        try:
            yield
        finally:
            put_policy(api, path, usual)


def put_policy(api: httpx.Client, path: str, policy: Mapping[str, object]) -> None:
    """Put a policy as it was read, or with another definition."""
    wanted = {key: policy[key] for key in ("pattern", "definition", "priority", "apply-to")}
    api.put(path, json=wanted).raise_for_status()


def disk_alarm(scene: Scene, _rng: random.Random) -> bool:
    """Make the broker take its disk for full: it reads from no publisher for a while."""
    broker = broker_of(scene.world)
    control(broker, "set_disk_free_limit", ALARMING)
    try:
        took = within(lambda: alarmed(scene.world))
        time.sleep(ALARM_SECONDS)
        return took
    finally:
        control(broker, "set_disk_free_limit", USUAL)


def alarmed(world: World) -> bool:
    """Whether the broker has an alarm, of memory or disk."""
    with world.management() as api:
        return api.get("/api/health/checks/local-alarms").status_code == httpx.codes.SERVICE_UNAVAILABLE


def broker_of(world: World) -> ProcessSpec:
    """The process of the broker."""
    return next(spec for spec in world.servers if spec.name == "broker")


FAULTS = (
    Fault(name="queue limit", inject=full_queue, injections=3, lasting=40.0),
    Fault(name="disk alarm", inject=disk_alarm, injections=1, lasting=15.0),
)
