"""Faults of a cluster of three nodes: cut from each other, cut from everybody, killed."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial

from millrace import names

from operations.faults import judging
from operations.faults.cluster import SIZE, TICK_SECONDS, Member
from operations.faults.cluster_world import ClusterWorld
from operations.faults.limits import within
from operations.faults.scenario import SAMPLE, Fault, Scene, Subject
from operations.faults.suite import Step, run_fault
from operations.faults.world import World

#: A node that has lost the majority must know it within this; else the cut was none.
NOTICED_SECONDS = 3.0 * TICK_SECONDS
#: How long it then stays so.
CUT_SECONDS = 10.0
#: How long the load takes, so that it goes on while nodes are away.
LOAD_SECONDS = 60.0
#: These wait in the delay queues for their second attempt, and leave them by at-least-once dead-lettering.
FAILING = {"fails once": 0.1}


def cut_one(scene: Scene, rng: random.Random, *, clients: bool = False) -> bool:
    """Cut a node from the others without a word; took if it alone lost the majority."""
    world = _whole(scene)
    (away,) = rng.sample(world.cluster.members, 1)
    rest = [member for member in world.cluster.members if member is not away]
    world.cluster.cut(away, clients=clients)
    took = _cut_off([away])
    time.sleep(CUT_SECONDS)
    return took and all(member.has_majority for member in rest)


def cut_two(scene: Scene, rng: random.Random) -> bool:
    """Cut two nodes, each from everybody; took if all lost the majority."""
    world = _whole(scene)
    world.cluster.cut(*rng.sample(world.cluster.members, 2))
    took = _cut_off(world.cluster.members)
    time.sleep(CUT_SECONDS)
    return took


def kill_leader(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL the node that leads the queue of a group."""
    world = _whole(scene)
    queue = world.cluster.ask(f"/api/queues/{world.record.vhost}/{names.group_queue(world.busy[0])}")
    return bool(queue and queue.get("leader")) and _kill(world, queue["leader"])


def kill_connected(scene: Scene, rng: random.Random) -> bool:
    """SIGKILL the node that a worker is connected to."""
    world = _whole(scene)
    user = names.group_user(world.record.vhost, rng.choice(world.busy))
    connections = world.cluster.ask("/api/connections", columns="user,node") or []
    nodes = [each["node"] for each in connections if each.get("user") == user]
    return bool(nodes) and _kill(world, nodes[0])


def _kill(world: ClusterWorld, node: str) -> bool:
    victim = next(member for member in world.cluster.members if member.node.name == node)
    return world.signal(victim.process, signal.SIGKILL)


def _cut_off(members: Sequence[Member]) -> bool:
    """Whether each of them comes to know in time that it has no majority."""
    return within(lambda: not any(member.has_majority for member in members), NOTICED_SECONDS)


def _whole(scene: Scene) -> ClusterWorld:
    """The world, once what was done to it before is healed."""
    world = scene.world
    if not isinstance(world, ClusterWorld):
        raise TypeError(f"a fault of the cluster must have one, got {type(world).__name__}")
    world.cluster.heal()
    world.cluster.wait_until_whole()
    return world


def heal(world: World) -> None:
    """Let the nodes talk again; that they find together again is theirs."""
    if isinstance(world, ClusterWorld):
        world.cluster.heal()


def _fault(name: str, inject: Callable[[Scene, random.Random], int], injections: int) -> Fault:
    # RabbitMQ 3.10 may drop from its stream what it confirmed around a change of the leader (broker_faults), of a small
    # load a fifth; one whose keeper reads no more misses all that comes after the first of several cuts. A worker
    # on a node of RabbitMQ 4 that is cut off is given nothing, notices that, and ends, to begin with the next address.
    return Fault(
        name=name,
        inject=inject,
        heal=heal,
        injections=injections,
        lasting=LOAD_SECONDS,
        behaviour=FAILING,
        tolerated=frozenset({judging.NOT_INDEXED, judging.DIED}),
        most_unindexed=0.4,
    )


FAULTS = (
    _fault("one of three nodes cut", cut_one, SIZE),
    _fault("one of three nodes silent", partial(cut_one, clients=True), 2),
    _fault("two of three nodes cut, then healed", cut_two, 2),
    _fault("kill -9 of the leader's node", kill_leader, 2),
    _fault("kill -9 of the connected node", kill_connected, 2),
)


def steps(
    *, events: int, seed: int, only: Sequence[str] = (), subject: Subject | None = None
) -> list[tuple[str, Step]]:
    """Every fault of the cluster as a step of a run, those that have one of the words in their names."""
    chosen = [fault for fault in FAULTS if not only or any(word in fault.name for word in only)]
    return [
        (fault.name, partial(run_fault, fault=fault, events=events, seed=seed, subject=subject or SAMPLE))
        for fault in chosen
    ]
