"""Faults of processes: killed, stopped, frozen, hung, in the middle of work."""

from __future__ import annotations

import random
import signal
import time

import psutil

from operations.faults.scenario import Fault
from operations.faults.world import World

#: Longer than the lease of the suite's groups (14 s), so that a frozen attempt is overtaken.
ZOMBIE_SECONDS = 16.0


def _groups_worker(world: World, rng: random.Random) -> str:
    return world.worker(rng.choice(world.groups()))


def kill_child(world: World, rng: random.Random) -> bool:
    """SIGKILL one process of a worker's pool."""
    children = world.children(_groups_worker(world, rng))
    if not children:
        return False
    try:
        rng.choice(children).kill()
    except psutil.NoSuchProcess:
        return False
    return True


def kill_worker(world: World, rng: random.Random) -> bool:
    """SIGKILL a worker's main process; its pool dies with it."""
    return world.signal(_groups_worker(world, rng), signal.SIGKILL)


def stop_worker(world: World, rng: random.Random) -> bool:
    """SIGTERM a worker, as a rollout does; the supervisor starts it again."""
    return world.signal(_groups_worker(world, rng), signal.SIGTERM)


def freeze_children(world: World, _rng: random.Random) -> bool:
    """SIGSTOP the pool of `first` for longer than a lease, then let the zombies go on."""
    children = world.children(world.worker("first"))
    for child in children:
        child.suspend()
    time.sleep(ZOMBIE_SECONDS)
    for child in children:
        try:
            child.resume()
        except psutil.NoSuchProcess:
            continue
    return bool(children)


def kill_relay(world: World, _rng: random.Random) -> bool:
    """SIGKILL the relay."""
    return world.signal("relay", signal.SIGKILL)


def kill_keeper(world: World, _rng: random.Random) -> bool:
    """SIGKILL the keeper."""
    return world.signal("keeper", signal.SIGKILL)


def nothing(_world: World, _rng: random.Random) -> bool:
    """Inject nothing: the load itself misbehaves, or this is the control without a fault."""
    return True


FAULTS = (
    Fault(name="no fault", inject=nothing, injections=0),
    Fault(name="kill -9 of a pool process", inject=kill_child, injections=8),
    Fault(name="kill -9 of a worker", inject=kill_worker, injections=6),
    Fault(name="rolling restart", inject=stop_worker, injections=6),
    Fault(name="zombies", inject=freeze_children, injections=1, behaviour={"slowly": 0.05}),
    Fault(name="hang", inject=nothing, injections=5, behaviour={"hangs once": 0.01}),
    Fault(name="kill -9 of the relay", inject=kill_relay, injections=6),
    Fault(name="kill -9 of the keeper", inject=kill_keeper, injections=5),
)
