"""Faults of processes: killed, stopped, frozen, hung, in the middle of work."""

from __future__ import annotations

import random
import signal

import psutil

from operations.faults import judging
from operations.faults.sample import HANGS, POISON, Poisonous
from operations.faults.scenario import Fault, Scene


def kill_child(scene: Scene, rng: random.Random) -> bool:
    """SIGKILL one process of a worker's pool, where it is the pool that runs the handlers."""
    world = scene.world
    pooled = [group for group in world.busy if group not in world.lanes()] or world.busy
    children = world.children(world.worker(rng.choice(pooled)))
    if not children:
        return False
    try:
        rng.choice(children).kill()
    except psutil.NoSuchProcess:
        return False
    return True


def kill_worker(scene: Scene, rng: random.Random) -> bool:
    """SIGKILL a worker's main process; its pool dies with it."""
    return scene.world.signal(scene.world.worker(rng.choice(scene.world.busy)), signal.SIGKILL)


def stop_worker(scene: Scene, rng: random.Random) -> bool:
    """SIGTERM a worker, as a rollout does; the supervisor starts it again."""
    return scene.world.signal(scene.world.worker(rng.choice(scene.world.busy)), signal.SIGTERM)


def quit_worker(scene: Scene, rng: random.Random) -> bool:
    """SIGQUIT a worker, Celery's cold shutdown: it drops what it runs and gives it back; the supervisor restarts it."""
    return scene.world.signal(scene.world.worker(rng.choice(scene.world.busy)), signal.SIGQUIT)


def kill_relay(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL the relay."""
    return scene.world.signal("relay", signal.SIGKILL)


def kill_keeper(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL the keeper."""
    return scene.world.signal("keeper", signal.SIGKILL)


def kill_any(scene: Scene, rng: random.Random) -> bool:
    """SIGKILL any process of the stack: a worker, one of a pool, relay, keeper, broker, database."""
    victim = rng.choice(("child", "worker", "relay", "keeper", "broker", "postgres"))
    if victim in ("child", "worker"):
        return (kill_child if victim == "child" else kill_worker)(scene, rng)
    return scene.world.signal(victim, signal.SIGKILL)


def poison(scene: Scene, _rng: random.Random) -> int:
    """Inject nothing, the load itself misbehaves; counts the events that kill each process that runs them."""
    return len(scene.ledger.meant_of(Poisonous.event_type))


def hang_and_poison(scene: Scene, rng: random.Random) -> int:
    """The same, with those that never end; none if there is none of them."""
    hung: int = sum(event.data.get("how") == HANGS for event in scene.load.events)
    return hung and hung + poison(scene, rng)


FAULTS = (
    Fault(name="kill -9 of a pool process", inject=kill_child, injections=8),
    Fault(name="kill -9 of a worker", inject=kill_worker, injections=6),
    Fault(name="rolling restart", inject=stop_worker, injections=6),
    Fault(name="cold shutdown of a worker", inject=quit_worker, injections=6),
    Fault(
        name="hang and poison",
        inject=hang_and_poison,
        injections=1,
        least=POISON + 1,
        behaviour={HANGS: 0.006},
        poison=True,
    ),
    Fault(name="kill -9 of the relay", inject=kill_relay, injections=6),
    Fault(name="kill -9 of the keeper", inject=kill_keeper),
    # A worker that starts while broker or database is down says so and ends, to be started again.
    Fault(
        name="kill -9 of anything",
        inject=kill_any,
        every=5.0,
        tolerated=frozenset({judging.NOT_INDEXED, judging.DIED}),
    ),
)
