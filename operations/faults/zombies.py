"""Zombies: attempts that stand still until others have overtaken them, and then go on to commit."""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path

import psutil

from operations.faults import judging
from operations.faults.crash_points import BEFORE_COMMIT, GO, Order
from operations.faults.scenario import Fault, Scene

#: Longer than a lease (14 s): with their connection reset, as a network does with who does not answer, they are
#: overtaken.
FROZEN_SECONDS = 20.0
COUNT = 8


def zombies(directory: Path) -> Fault:
    """One of two workers of `first` is frozen with attempts that only have to commit, as a stalled machine would do."""
    directory.mkdir(parents=True)
    order = Order(point=BEFORE_COMMIT, count=COUNT, chance=1.0, directory=directory, how="freeze")

    def freeze(scene: Scene, _rng: random.Random) -> int:
        (directory / GO).touch()
        pid = scene.world.pid(scene.world.worker("first"))
        if pid is None:
            return 0
        worker = psutil.Process(pid)
        _await_stopped(worker)
        worker.suspend()
        try:
            scene.world.workers_proxy.cut()
            frozen = [child for child in worker.children() if child.status() == psutil.STATUS_STOPPED]
            time.sleep(FROZEN_SECONDS)
            for child in frozen:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.resume()
            time.sleep(1)  # the worker would end what has overrun: the zombies go first
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.resume()
        return len(frozen)

    arming = {"worker-first": {**order.as_environment(), "MILLRACE_CONCURRENCY": str(COUNT)}}
    return Fault(
        name="zombies",
        inject=freeze,
        injections=1,
        least=5,
        twice=("first",),
        arming=arming,
        lasting=5.0,
        tolerated=frozenset({judging.DIED}),  # a worker that stood still for so long ends itself
    )


def _await_stopped(worker: psutil.Process, seconds: float = 9.0) -> None:
    """Wait for all, but not until the worker ends what stands still (12 s)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stopped = [child for child in worker.children() if child.status() == psutil.STATUS_STOPPED]
        if len(stopped) >= COUNT:
            return
        time.sleep(0.05)
