"""Faults of processes: killed, stopped, frozen, hung, in the middle of work."""

from __future__ import annotations

import contextlib
import random
import signal
import time

import psutil

from operations.faults.scenario import Fault, Scene

#: Longer than the broker waits for a heartbeat (two of 10 s) and than a lease (14 s): the attempt is overtaken.
ZOMBIE_SECONDS = 32.0
#: The groups that have work in every load.
BUSY = ("first", "second", "caller")
#: So many attempts of a worker are frozen at once.
FROZEN = {"worker-first": {"MILLRACE_CONCURRENCY": "6"}}


def kill_child(scene: Scene, rng: random.Random) -> bool:
    """SIGKILL one process of a worker's pool."""
    children = scene.world.children(scene.world.worker(rng.choice(BUSY)))
    if not children:
        return False
    try:
        rng.choice(children).kill()
    except psutil.NoSuchProcess:
        return False
    return True


def kill_worker(scene: Scene, rng: random.Random) -> bool:
    """SIGKILL a worker's main process; its pool dies with it."""
    return scene.world.signal(scene.world.worker(rng.choice(BUSY)), signal.SIGKILL)


def stop_worker(scene: Scene, rng: random.Random) -> bool:
    """SIGTERM a worker, as a rollout does; the supervisor starts it again."""
    return scene.world.signal(scene.world.worker(rng.choice(BUSY)), signal.SIGTERM)


def freeze_worker(scene: Scene, _rng: random.Random) -> bool:
    """SIGSTOP one of two workers of `first`, pool and all, until its events were overtaken, then let it go on."""
    pid = scene.world.pid(scene.world.worker("first"))
    if pid is None:
        return False
    worker = psutil.Process(pid)
    frozen = [worker, *worker.children()]
    for process in frozen:
        process.suspend()
    time.sleep(ZOMBIE_SECONDS)
    for process in reversed(frozen):  # the pool first, or the worker would kill what has overrun
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    return True


def kill_relay(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL the relay."""
    return scene.world.signal("relay", signal.SIGKILL)


def kill_keeper(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL the keeper."""
    return scene.world.signal("keeper", signal.SIGKILL)


def nothing(_scene: Scene, _rng: random.Random) -> bool:
    """Inject nothing: the load itself misbehaves."""
    return True


ZOMBIES = Fault(
    name="zombies", inject=freeze_worker, injections=1, behaviour={"slowly": 1.0}, twice=("first",), arming=FROZEN
)
FAULTS = (
    Fault(name="kill -9 of a pool process", inject=kill_child, injections=8),
    Fault(name="kill -9 of a worker", inject=kill_worker, injections=6),
    Fault(name="rolling restart", inject=stop_worker, injections=6),
    ZOMBIES,
    Fault(name="hang and poison", inject=nothing, behaviour={"hangs once": 0.01}, poison=True),
    Fault(name="kill -9 of the relay", inject=kill_relay, injections=6),
    Fault(name="kill -9 of the keeper", inject=kill_keeper),
)
