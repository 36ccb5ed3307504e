"""Nobody consumes for a while: the workers of every group are gone, as after a rollout that failed."""

from __future__ import annotations

import random
import time

from operations.faults.scenario import Fault, Scene
from operations.local.daemon import apply_fleet

#: For how long, in seconds; the longer one in a run at full size.
ABSENT_SECONDS, LONG_ABSENT_SECONDS = 60.0, 300.0
FULL_SIZE = 10_000


def no_consumer(scene: Scene, _rng: random.Random) -> bool:
    """Stop every worker, for a minute, or for five where the load has ten thousand events or more."""
    world = scene.world
    whole = world.told()
    workers = {spec.name for spec in whole if spec.name.startswith("worker-")}
    unexplained = world.unplanned()
    world.only([spec for spec in whole if spec.name not in workers])
    time.sleep(LONG_ABSENT_SECONDS if len(scene.load.events) >= FULL_SIZE else ABSENT_SECONDS)
    apply_fleet(world.layout, whole)
    # The supervisor counts their restarts anew: those before that nobody had planned are still theirs.
    world.planned |= {name: -unexplained.get(name, 0) for name in workers}
    return True


FAULTS = (Fault(name="no consumer for a minute", inject=no_consumer, injections=1),)
