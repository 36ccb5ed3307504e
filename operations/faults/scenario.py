"""One scenario: a load, a fault injected again and again in the middle of it, a calm end, a verdict."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from millrace.envelope import Envelope

from operations.faults.judging import LEFT_OVER, Verdict
from operations.faults.ledger import Ledger
from operations.faults.load import Load, Plan, envelopes
from operations.faults.oracle import Judging, Oracle
from operations.faults.world import World

#: Faults begin when this share of the effects is there, and are spread until that share is.
FIRST_SHARE, LAST_SHARE = 0.2, 0.8
#: A load that stands still is what many faults are for: the next one comes after so many seconds anyway.
STALL_SECONDS = 8.0
SETTLE_SECONDS = 90.0
#: Lines that a fault may redden are waited for as long as they change: so long without a change is the end of it.
STEADY_SECONDS = 10.0
#: Without a guard any line may be red: nothing can come any more once nothing waits and no line has changed so long.
IDLE_SECONDS = 5.0
#: Nothing red must stay so for a moment: what comes late and double would not be seen else.
CALM_SECONDS = 1.0
#: What is left over of a large load at the end of its faults is worked off so fast at least, in events a second.
SLOWEST_RATE = 40.0
#: Events published a second, unless the fault says otherwise.
RATE = 100.0
#: A fault that cannot be injected just now (its victim is down) is tried again for so long.
TRY_SECONDS = 30.0
#: A recovery is looked for no longer: this is then its time, which says "or more".
RECOVERY_SECONDS = 60.0

#: How often it took; a bool where that is once or not at all.
Inject = Callable[["Scene", random.Random], int]


class NotHere(Exception):
    """A fault cannot be had on this machine; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a fault may touch: the world, and the scenario's own ledger and load."""

    world: World
    ledger: Ledger
    load: Load


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A way to hurt a stack.

    Attributes:
        inject: does it once and tells how many it hit; 0 if it could not just now.
        least: how many must have been hit; by default one each time.
        heal: takes back what would last.
        needs: the server process that it hurts, where not every stack has it.
        around: what must be there from before the stack's start until the verdict; raises NotHere if it cannot be.
        arming: environment of processes, by name or `*` for all.
        behaviour: shares of the load whose handler misbehaves.
        poison: whether some events kill each process that runs them.
        twice: groups that have a second worker.
        lasting: seconds that the load is spread over, where there must be one while the fault is there.
        every: seconds between injections, as long as the load goes on; by default they are spread over it.
            The load is spread so that as many come as there must be.
        tolerated: lines that a known fault of a server may redden; they are shown all the same.
        most_unindexed: of what may be missing in the index, no larger share: a keeper that does not read any more is no
            fault of a broker.
        taken: counts how many it hit in the end, where that is not known when it is injected.
        unguarded: whether a guard is off, so that any line may be red.
    """

    name: str
    inject: Inject
    heal: Callable[[World], None] = lambda _world: None
    needs: str = ""
    around: Callable[[World], AbstractContextManager[None]] | None = None
    arming: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    behaviour: Mapping[str, float] = field(default_factory=dict)
    poison: bool = False
    twice: tuple[str, ...] = ()
    lasting: float | None = None
    every: float | None = None
    tolerated: frozenset[str] = frozenset()
    most_unindexed: float = 0.15
    taken: Callable[[], int] | None = None
    unguarded: bool = False
    injections: int = 5
    least: int = 0

    def fits(self, world: World) -> bool:
        """Whether the stack has what it hurts."""
        return not self.needs or any(spec.name == self.needs for spec in world.servers)

    @property
    def required(self) -> int:
        """How many must have been hit for the scenario to count."""
        return self.least or self.injections

    def rate(self, events: int) -> float:
        """Events published a second."""
        if self.lasting:
            return events / self.lasting
        shortest = self.injections * (self.every or 0.0) / (LAST_SHARE - FIRST_SHARE)
        return min(RATE, events / shortest) if shortest else RATE


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is loaded and how it is judged.

    Attributes:
        events: from a plan, a prefix of ids and a source of chance.
        judge: from the world, the scenario's ledger and the prefix.
    """

    events: Callable[[Plan, str, random.Random], list[Envelope]]
    judge: Callable[[World, Ledger, str], Judging]


#: The suite's own catalog and handlers, whose effects are counted one by one.
SAMPLE = Subject(events=envelopes, judge=Oracle)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a scenario.

    Attributes:
        events: how many were confirmed.
        recovery: seconds from the last healing to the next effect of any group; None if none was left to come.
    """

    name: str
    seed: int
    events: int
    injections: int
    seconds: float
    recovery: float | None
    load_failures: int
    verdict: Verdict
    #: seconds that each part took: start, hurt, calm
    parts: Mapping[str, float] = field(default_factory=dict)


def run_scenario(
    world: World,
    fault: Fault,
    *,
    events: int,
    seed: int,
    settle: float = SETTLE_SECONDS,
    subject: Subject = SAMPLE,
) -> Outcome:
    """Run one scenario on a world and judge it; the world is whole again afterwards.

    Raises:
        NotHere: this machine or this stack cannot have the fault.
    """
    if not fault.fits(world):
        raise NotHere(f"{fault.needs} must be a process of the stack, got a stack without")
    with fault.around(world) if fault.around else nullcontext():
        return _run(world, fault, events=events, seed=seed, settle=settle, subject=subject)


def _run(world: World, fault: Fault, *, events: int, seed: int, settle: float, subject: Subject) -> Outcome:
    rng = random.Random(f"{fault.name} {seed}")  # noqa: S311 (repeatable, nothing secret)
    began = time.monotonic()
    prefix = f"f{seed}-{time.time_ns():x}"
    world.start(fault.arming, twice=fault.twice)
    started = time.monotonic()
    world.sink.clear()
    ledger = Ledger()
    plan = Plan(events=events, rate=fault.rate(events), behaviour=fault.behaviour, poison=fault.poison)
    load = Load(world.load_url(), world.catalog, ledger, subject.events(plan, prefix, rng), plan.rate)
    oracle = subject.judge(world, ledger, prefix)
    load.start()
    try:
        try:
            injections = _hurt(Scene(world=world, ledger=ledger, load=load), fault, oracle, rng)
        finally:
            fault.heal(world)
        healed = time.monotonic()
        recovery = None if fault.unguarded else _recovery(oracle)
        _await_calm(load, oracle, fault, settle if fault.unguarded else settle + events / SLOWEST_RATE)
    finally:
        load.stop()
    calm = time.monotonic()
    return Outcome(
        name=fault.name,
        seed=seed,
        events=len(ledger.accepted),
        injections=fault.taken() if fault.taken else injections,
        seconds=time.monotonic() - began,
        recovery=recovery,
        load_failures=load.failures,
        verdict=oracle.judge(),
        parts={"start": started - began, "hurt": healed - started, "calm": calm - healed},
    )


def _hurt(scene: Scene, fault: Fault, oracle: Judging, rng: random.Random) -> int:
    """Inject the fault so often, spread over the middle of the load; returns how often it took."""
    whole = oracle.expected_effects()
    done = 0
    if fault.every is not None:
        _await_progress(oracle, whole * FIRST_SHARE)
        # A load that never comes so far is over in twice the time that it may take.
        deadline = time.monotonic() + 2 * (len(scene.load.events) / min(SLOWEST_RATE, scene.load.rate))
        while oracle.effects_so_far() < whole * LAST_SHARE and time.monotonic() < deadline:
            done += fault.inject(scene, rng)
            time.sleep(fault.every)
        return done
    published = fault.lasting is not None
    for number in range(fault.injections):
        share = FIRST_SHARE + (LAST_SHARE - FIRST_SHARE) * number / fault.injections
        _await_progress(oracle, whole * share, published=published)
        done += _inject(scene, fault, rng)
    return done


def _inject(scene: Scene, fault: Fault, rng: random.Random) -> int:
    deadline = time.monotonic() + TRY_SECONDS
    while time.monotonic() < deadline:
        if hit := fault.inject(scene, rng):
            return hit
        time.sleep(0.1)
    return 0


def _await_progress(oracle: Judging, goal: float, *, published: bool = False) -> None:
    """Wait until there are so many effects, or so many to come of what was published; not while all stands still."""

    def progress() -> int:
        return oracle.expected_effects(of_all=False) if published else oracle.effects_so_far()

    last, since = progress(), time.monotonic()
    while last < goal and time.monotonic() - since < STALL_SECONDS:
        time.sleep(0.05)
        now = progress()
        if now > last:
            last, since = now, time.monotonic()


def _await_calm(load: Load, oracle: Judging, fault: Fault, seconds: float) -> None:
    """Wait until all is published and no line is red, or nothing will change the lines that are."""
    last: dict[str, int] | None = None
    since, deadline = time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = oracle.still_red() if load.done else None
        if now != last:
            last, since = now, time.monotonic()
        if now is not None and time.monotonic() - since >= _patience(now, fault):
            return
        time.sleep(0.2)


def _patience(red: dict[str, int], fault: Fault) -> float:
    """How long lines must stay as they are to be the last word, in seconds."""
    if not red:
        return CALM_SECONDS
    if fault.unguarded and LEFT_OVER not in red:
        return IDLE_SECONDS
    return STEADY_SECONDS if red.keys() <= fault.tolerated else math.inf


def _recovery(oracle: Judging) -> float | None:
    """How long until the next effect; None if there is none left to come, a minute if none came in that."""
    began = time.monotonic()
    before: int | None = None
    while (passed := time.monotonic() - began) < RECOVERY_SECONDS:
        now = oracle.effects_so_far()
        if before is not None and now > before:
            return passed
        if now >= oracle.expected_effects():
            return None
        if now >= 0:  # the store answers
            before = now
        time.sleep(0.05)
    return RECOVERY_SECONDS
