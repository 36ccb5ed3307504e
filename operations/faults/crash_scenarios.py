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
CHANCES = {"first": 0.25}
#: The load goes on after the word to crash, also for a group that gets few of its events and is quick with them.
LOAD_SECONDS = 6.0
#: A worker that ends in its lane comes back with what it had in hand as suspects, which no lane takes: to end again it
#: must be given more, so often.
LANE_LOAD_SECONDS = 25.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """Points that are tested together, and the fault that they make."""

    orders: Sequence[Order]
    fault: Fault


def rounds(directory: Path, count: int, own: Sequence[str] = (), lanes: Sequence[str] = ()) -> Iterator[Round]:
    """All points, one of each process at a time, each to crash so often.

    With `own` groups those that any handler reaches, in the workers of all these: a lane's in those that have one.
    """
    left: dict[tuple[str, ...], list[Point]] = {}
    for point in POINTS:
        if processes := _processes(point, own, lanes):
            left.setdefault(processes, []).append(point)
    number = 0
    while any(left.values()):
        points = {processes: waiting.pop(0) for processes, waiting in left.items() if waiting}
        yield _round(points, directory / f"round-{number}", count)
        number += 1


def _processes(point: Point, own: Sequence[str], lanes: Sequence[str]) -> tuple[str, ...]:
    """The processes of the fleet that come to a point."""
    if not point.in_group:
        return (point.process,)
    if not own:
        return (worker_name(point.process),)
    groups = own if point.of_any_handler else ()
    return tuple(worker_name(group) for group in groups if (group in lanes) == point.in_lane)


def _round(points: Mapping[tuple[str, ...], Point], directory: Path, count: int) -> Round:
    orders = []
    arming: dict[str, Mapping[str, str]] = {}
    behaviour: dict[str, float] = {}
    for processes, point in points.items():
        place = directory / processes[0]
        place.mkdir(parents=True)
        chance = 1.0 if point.behaviour else CHANCES.get(point.process, 1.0)
        order = Order(point=point.name, count=count, chance=chance, directory=place)
        orders.append(order)
        arming |= dict.fromkeys(processes, order.as_environment())
        behaviour |= point.behaviour

    def go(_scene: Scene, _rng: random.Random) -> bool:
        for order in orders:
            (order.directory / GO).touch()
        return True

    name = "crashes " + " + ".join(point.name for point in points.values())
    fault = Fault(
        name=name,
        inject=go,
        injections=1,
        least=count * len(orders),
        lasting=LANE_LOAD_SECONDS if any(point.in_lane for point in points.values()) else LOAD_SECONDS,
        taken=lambda: sum(order.done for order in orders),
        arming=arming,
        behaviour=behaviour,
    )
    return Round(orders=orders, fault=fault)


def crash_fault(name: str, directory: Path, count: int) -> Fault:
    """The fault of a single point; raises StopIteration if there is none of that name."""
    point = next(point for point in POINTS if point.name == name)
    return _round({_processes(point, (), ()): point}, directory, count).fault
