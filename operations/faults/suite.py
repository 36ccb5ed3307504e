"""What a run consists of: faults, crash points and negative controls, and what came of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from operations.faults import (
    absence,
    broker_faults,
    controls,
    failover,
    full_disk,
    judging,
    limits,
    mutations,
    process_faults,
    restarts,
)
from operations.faults.careless import publishing_without
from operations.faults.chaos import chaos
from operations.faults.controls import CONTROLS, Control
from operations.faults.crash_scenarios import Round, rounds
from operations.faults.forgetting import forgetting
from operations.faults.held import held_deliveries
from operations.faults.judging import Verdict
from operations.faults.memory import out_of_memory
from operations.faults.scenario import SAMPLE, Fault, NotHere, Outcome, Subject, run_scenario
from operations.faults.world import World
from operations.faults.zombies import zombies

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (process_faults, restarts, absence, broker_faults, limits, full_disk, failover, controls, mutations)
    for fault in module.FAULTS
}
#: The dozen that `make faults` runs; the others too with --full.
SHORT = (
    "kill -9 of a pool process",
    "kill -9 of a worker",
    "rolling restart",
    "zombies",
    "hang and poison",
    "kill -9 of the relay",
    "kill -9 of the broker",
    "kill -9 of the database",
    "lines lost without a word",
    "confirms held",
    "memory alarm",
    "dead-letter queue unbound",
)
CRASHES = 10
SKIPPED = "skipped"
_NOT_JUDGED = "not judged"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many events a scenario of each kind has."""

    faults: int = 1_000
    crashes: int = 200
    controls: int = 100


@dataclass(frozen=True, kw_only=True)
class Line:
    """One scenario's result, as reports show it; of kind `skipped` if this machine cannot have it, with the reason."""

    kind: str
    name: str
    good: bool
    outcome: Outcome
    guard: str = ""
    expected: str = ""
    crashes: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    tolerated: frozenset[str] = frozenset()

    @property
    def skipped(self) -> bool:
        """Whether it was not run: neither green nor red, and not counted as either."""
        return self.kind == SKIPPED

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        outcome = self.outcome
        return {
            "kind": self.kind,
            "name": self.name,
            "reason": self.reason,
            "good": self.good,
            "guard": self.guard,
            "expected": self.expected,
            "crashes": self.crashes,
            "seed": outcome.seed,
            "events": outcome.events,
            "injections": outcome.injections,
            "seconds": round(outcome.seconds, 1),
            "parts": {part: round(seconds, 1) for part, seconds in outcome.parts.items()},
            "recovery": outcome.recovery,
            "failed_publishes": outcome.load_failures,
            "red": {line: items[:20] for line, items in outcome.verdict.found.items()},
            "counts": outcome.verdict.counts(),
            "tolerated": sorted(self.tolerated),
        }


Step = Callable[[World], Line]
#: What needs handlers that misbehave on request, or attempts of a known group.
OF_THE_SAMPLE = (
    "hang and poison",
    "zombies",
    "odd bodies",
    "odd headers",
    "mutated messages",
    "dead-letter queue unbound",
    "binding deleted",
    "queue limit",
    "deliveries held too long",
    "out of memory",
    "Redis as inbox, killed",
    "twenty restarts with a large prefetch",
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to run: every fault or the short list, with which seed, only names that have one of these words."""

    sizes: Sizes
    seed: int
    full: bool = False
    only: Sequence[str] = ()
    own: Subject | None = None

    def steps(self, world: World) -> list[tuple[str, Step]]:
        """Everything to run, by its name, in order."""
        directory, seed = world.layout.root / f"orders-{self.seed}", self.seed
        made = (
            zombies(directory / "zombies"),
            held_deliveries(directory / "held"),
            out_of_memory(directory / "memory"),
            forgetting(directory / "redis"),
        )
        faults = {**FAULTS, **{fault.name: fault for fault in made}}
        mixed = chaos([fault for fault in FAULTS.values() if self.own is None or fault.name not in OF_THE_SAMPLE])
        faults[mixed.name] = mixed
        named = [name for name in (faults if self.full else SHORT) if self.own is None or name not in OF_THE_SAMPLE]
        own = () if self.own is None else world.groups()
        crashes = rounds(directory / "crashes", CRASHES, own, world.lanes())
        subject = self.own or SAMPLE
        chosen: list[tuple[str, Step]] = [
            (name, partial(run_fault, fault=faults[name], events=self.sizes.faults, seed=seed, subject=subject))
            for name in named
        ]
        chosen += [
            (each.fault.name, partial(run_round, round_=each, events=self.sizes.crashes, seed=seed, subject=subject))
            for each in crashes
        ]
        chosen += [
            (f"without {control.guard}", partial(run_control, control=control, events=self.sizes.controls, seed=seed))
            for control in (CONTROLS if self.own is None else ())
        ]
        return [step for step in chosen if not self.only or any(word in step[0] for word in self.only)]


def run_fault(world: World, fault: Fault, events: int, seed: int, subject: Subject = SAMPLE) -> Line:
    """A fault with every guard on: good if no line is red and the fault took as often as it should."""
    outcome = run_scenario(world, fault, events=events, seed=seed, subject=subject)
    good = not beyond(outcome, fault) and outcome.injections >= fault.required
    return Line(kind="fault", name=fault.name, good=good, outcome=outcome, tolerated=fault.tolerated)


def beyond(outcome: Outcome, fault: Fault) -> set[str]:
    """The red lines that the fault does not explain: what it may redden has a bound, too."""
    found = outcome.verdict.found
    red = set(found.keys() - fault.tolerated)
    if found.keys() & {judging.DIED} and max(Counter(found[judging.DIED]).values()) > outcome.injections:
        red.add(judging.DIED)
    if len(found.get(judging.NOT_INDEXED, ())) > outcome.events * fault.most_unindexed:
        red.add(judging.NOT_INDEXED)
    return red


def run_round(world: World, round_: Round, events: int, seed: int, subject: Subject = SAMPLE) -> Line:
    """Crash points: good if no line is red and each crashed as often as it should."""
    outcome = run_scenario(world, round_.fault, events=events, seed=seed, subject=subject)
    crashes = {order.point: order.done for order in round_.orders}
    good = outcome.verdict.green and min(crashes.values()) >= CRASHES
    return Line(kind="crash", name=round_.fault.name, good=good, outcome=outcome, crashes=crashes)


def run_control(world: World, control: Control, events: int, seed: int) -> Line:
    """A guard switched off: good if the line that was named is red, and the fault took.

    Whether a fault meets what the guard is for is a matter of chance: one that met nothing is tried once more.
    """
    line = _tried(world, control, events, seed)
    if not line.good:
        world.clean()
        line = _tried(world, control, events, seed + 1)
    return line


def _tried(world: World, control: Control, events: int, seed: int) -> Line:
    """One try of a control. Nothing is lost as long as something is left over: it may only be late."""
    fault = control.without(world.layout.root / f"control-{seed}-{time.time_ns():x}")
    with publishing_without(control.careless):
        outcome = run_scenario(world, fault, events=events, seed=seed, settle=control.settle)
    found = outcome.verdict.found
    late = control.line == judging.LOST and judging.LEFT_OVER in found
    good = control.line in found and not late and outcome.injections >= fault.required
    return Line(
        kind="control",
        name=fault.name,
        good=good,
        outcome=outcome,
        guard=control.guard,
        expected=control.line,
    )


def run_all(
    world: World, chosen: Sequence[tuple[str, Step]], before: Callable[[str], None], *, again: bool = False
) -> Iterator[Line]:
    """Run steps in order; `before` hears the name of each.

    What a scenario without a guard has left is cleaned away; one that cannot be run or judged is not good. With `again`
    one that was not as it should be, and said nothing against the stack's promise, has a second try.
    """
    for name, step in chosen:
        before(name)
        line = _run(world, name, step)
        if again and _deserves_another_try(line):
            first = line.outcome.verdict.counts()
            line = replace(
                _run(world, name, step), reason=f"at the second try, the first had {first or 'too few hits'}"
            )
        yield line


def _run(world: World, name: str, step: Step) -> Line:
    try:
        line = step(world)
    except NotHere as error:
        return Line(kind=SKIPPED, name=name, good=False, outcome=_no_outcome(name), reason=str(error))
    except Exception as error:  # whatever it is: the other scenarios go on
        line = _not_judged(name, error)
    if line.kind == "control" or not line.good:
        _clean(world, line)
    return line


def _deserves_another_try(line: Line) -> bool:
    if line.good or line.skipped or line.kind == "control":  # controls have had theirs
        return False
    return line.outcome.verdict.found.keys() <= {*line.tolerated, judging.DIED, judging.NOT_INDEXED, _NOT_JUDGED}


def _clean(world: World, line: Line) -> None:
    try:
        world.clean()
    except Exception as error:  # the next scenario says what it meets
        line.outcome.verdict.add("not cleaned", [f"{type(error).__name__}: {error}"[:1000]])


def _not_judged(name: str, error: Exception) -> Line:
    outcome = _no_outcome(name)
    outcome.verdict.add(_NOT_JUDGED, [f"{type(error).__name__}: {error}"[:1000]])
    return Line(kind="fault", name=name, good=False, outcome=outcome)


def _no_outcome(name: str) -> Outcome:
    return Outcome(
        name=name, seed=0, events=0, injections=0, seconds=0.0, recovery=None, load_failures=0, verdict=Verdict()
    )
