"""How many workers a group needs: the one formula, on this machine and in KEDA, and apart from it what damps it.

`wanted` computes what the Kubernetes HPA makes of KEDA's two triggers (RabbitMQ, by QueueLength and by MessageRate):
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
"""

import math
from collections import deque
from dataclasses import dataclass, field

from millrace.declarations import WorkerGroup
from millrace.derived import lane_size, processes, slots, timing

#: The HPA leaves the number alone where the load is within this share of what the workers there are meant for.
TOLERANCE = 0.1
#: Events per second; of fewer, thousandths say too little.
LEAST_RATE = 0.02
#: In one period at most so many workers are added, or as many as there are, whichever is more.
STEP_UP = 4
#: In one period at most so many go, or this share of them, whichever is more.
STEP_DOWN = 1
STEP_DOWN_SHARE = 0.5
STEP_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a group's queue says: events that wait, events that workers have in hand, events that come per second."""

    ready: int
    unacknowledged: int
    rate: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the number of a group's workers depends on: its bounds, and what one worker is meant for.

    `slots` is how many events one has in hand, `rate` how many it ends per second, in whole thousandths, as Kubernetes
    counts; with 0 (too few for that) arrivals do not matter, only what is there.
    """

    smallest: int
    largest: int
    slots: int
    rate: float


def scale_of(group: WorkerGroup, concurrency: int, *, lanes: bool = True) -> Scale:
    """A group's scale, if each of its workers may have `concurrency` processes; without `lanes`, no group has one."""
    lane, in_pool = lane_size(group) if lanes else None, processes(group, concurrency)
    usual = (group.usual_runtime or group.longest_runtime).total_seconds()
    smallest, largest = group.replicas
    at_a_time = 1 if lane else in_pool
    rate = round(at_a_time / usual, 3)
    rate = rate if rate >= LEAST_RATE else 0.0
    return Scale(smallest=smallest, largest=largest, slots=slots(lane, in_pool), rate=rate)


def wanted(load: Load, scale: Scale, current: int) -> int:
    """How many workers this load needs; `current` is how many there are, which stay where that is near enough.

    Never fewer than hold what is in hand, and none for nothing, within the bounds.
    """
    events, rate = load.ready + load.unacknowledged, load.rate if scale.rate else 0.0
    if not events and not rate:
        return scale.smallest
    by_backlog = _proposed(events, scale.slots, current)
    by_arrivals = _proposed(rate, scale.rate, current) if rate else 0
    return min(max(by_backlog, by_arrivals, scale.smallest, 1), scale.largest)


def _proposed(value: float, each: float, current: int) -> int:
    """In thousandths, and to the last digit as the HPA computes it."""
    usage, target = round(value * 1000), round(each * 1000)
    if current and 1.0 - TOLERANCE <= usage / (target * current) <= 1.0 + TOLERANCE:
        return current
    return math.ceil(usage / target)


@dataclass(kw_only=True)
class Damping:
    """Keeps a group's number of workers from swinging; times in seconds of any one clock.

    Fewer are run only if no more were wanted for all of `cool_down`, and a step is bounded, both ways; but to none all
    go at once when its cool-down is over.
    """

    cool_down: float
    _recent: deque[tuple[float, int]] = field(default_factory=deque)
    _steps: deque[tuple[float, int]] = field(default_factory=deque)

    @classmethod
    def of(cls, group: WorkerGroup) -> "Damping":
        """A group's damping, at rest."""
        return cls(cool_down=timing(group).cool_down)

    def damped(self, now: float, raw: int, current: int) -> int:
        """How many workers to run, given how many are wanted now and run now.

        As the HPA does it, and KEDA, by which a group goes from none to one, and from any number to none.
        """
        self._note(now, raw)
        most = self._recent[0][1]
        if current == 0:
            return min(raw, 1)  # alone, the first is there soonest
        before = max(0, current - sum(step for _, step in self._steps))
        if raw > current:
            number = max(current, min(raw, before + max(STEP_UP, before)))
        elif most == 0:
            return 0
        else:
            lowest = min(before - STEP_DOWN, math.floor(before * (1 - STEP_DOWN_SHARE)))
            number = min(current, max(most, lowest))
        if number != current:
            self._steps.append((now, number - current))
        return number

    def _note(self, now: float, raw: int) -> None:
        """Keep the maxima of the last `cool_down`: one that is older and smaller than another never counts again."""
        while self._recent and self._recent[-1][1] <= raw:
            self._recent.pop()
        self._recent.append((now, raw))
        while self._recent[0][0] < now - self.cool_down:
            self._recent.popleft()
        while self._steps and self._steps[0][0] <= now - STEP_SECONDS:
            self._steps.popleft()
