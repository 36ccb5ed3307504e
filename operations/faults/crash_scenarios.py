"""Scenarios of crash points: one point per process at a time, so that a round tests up to four."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from operations.faults.crash_points import GO, POINTS, Order, Point
from operations.faults.scenario import Fault, Scene
from operations.local.fleet import worker_name

#: A process that comes to its step with every event crashes at some of them, one that seldom does at each.
CHANCES = {"first": 0.25, "second": 0.25}
#: The load goes on after the word to crash, also for a group that gets few of its events and is quick with them.
LOAD_SECONDS = 6.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """Points that are tested together, and the fault that they make."""

    orders: Sequence[Order]
    fault: Fault


def rounds(directory: Path, count: int, own_groups: Sequence[str] = ()) -> Iterator[Round]:
    """All points, one of each process at a time, each to crash so often.

    With `own_groups` those that any handler reaches, a worker's points in the workers of all these groups.
    """
    left: dict[str, list[Point]] = {}
    for point in POINTS:
        if not own_groups or point.in_any_group or not point.in_group:
            process = "first" if own_groups and point.in_group else point.process
            left.setdefault(process, []).append(point)
    number = 0
    while any(left.values()):
        points = [waiting.pop(0) for waiting in left.values() if waiting]
        yield _round(points, directory / f"round-{number}", count, own_groups)
        number += 1


def _round(points: Sequence[Point], directory: Path, count: int, own_groups: Sequence[str] = ()) -> Round:
    orders = []
    arming: dict[str, Mapping[str, str]] = {}
    behaviour: dict[str, float] = {}
    for point in points:
        place = directory / point.process
        place.mkdir(parents=True)
        chance = 1.0 if point.behaviour else CHANCES.get(point.process, 1.0)
        order = Order(point=point.name, count=count, chance=chance, directory=place)
        orders.append(order)
        arming |= dict.fromkeys(process_names(point.process, own_groups), order.as_environment())
        behaviour |= point.behaviour

    def go(_scene: Scene, _rng: random.Random) -> bool:
        for order in orders:
            (order.directory / GO).touch()
        return True

    name = "crashes " + " + ".join(point.name for point in points)
    fault = Fault(
        name=name,
        inject=go,
        injections=1,
        least=count * len(orders),
        lasting=LOAD_SECONDS,
        taken=lambda: sum(order.done for order in orders),
        arming=arming,
        behaviour=behaviour,
    )
    return Round(orders=orders, fault=fault)


def crash_fault(name: str, directory: Path, count: int) -> Fault:
    """The fault of a single point; raises StopIteration if there is none of that name."""
    return _round([next(point for point in POINTS if point.name == name)], directory, count).fault


def process_names(process: str, own_groups: Sequence[str]) -> list[str]:
    """The processes of the fleet that a point's process stands for: groups have a worker each."""
    if process in ("relay", "keeper"):
        return [process]
    return [worker_name(group) for group in own_groups or (process,)]
