"""Rolling restarts of a group that takes far more ahead than it works on: what it gives back does not count."""

from __future__ import annotations

import random
import signal

from millrace import names

from operations.faults.armed import OFF_VARIABLE
from operations.faults.limits import within
from operations.faults.scenario import Fault, Scene
from operations.faults.world import World
from operations.local.management import queue_totals

GROUP = "first"
RESTARTS = 20
#: How many messages it must hold when it is told to end.
TAKEN = 20
#: It has finished what runs, and the supervisor (which waits the longer, the more often it ends) has started another.
RESTART_SECONDS = 45.0


def restart_the_group(scene: Scene, _rng: random.Random) -> bool:
    """SIGTERM the group's worker, as a rollout does, once it has taken many ahead; took if another has its place."""
    worker = scene.world.worker(GROUP)
    before = scene.world.pid(worker)
    if _taken(scene.world) < TAKEN or not scene.world.signal(worker, signal.SIGTERM):
        return False
    return within(lambda: scene.world.pid(worker) not in (None, before), RESTART_SECONDS)


def _taken(world: World) -> int:
    with world.management() as api:
        queue = queue_totals(api, world.record.vhost)[names.group_queue(GROUP)]
    return int(queue.get("messages_unacknowledged") or 0)


#: Most events are slow, so that there is a backlog to be taken ahead and given back until the last restart.
FAULTS = (
    Fault(
        name="twenty restarts with a large prefetch",
        inject=restart_the_group,
        injections=RESTARTS,
        arming={f"worker-{GROUP}": {OFF_VARIABLE: "small prefetch"}},
        behaviour={"slowly": 0.8},
    ),
)
