"""A scenario that this machine cannot have is skipped with its reason: neither green, nor red, nor unsaid."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from operations.faults import controls, judging, report, suite
from operations.faults.document import figures
from operations.faults.scenario import SAMPLE, Fault, NotHere, Outcome
from operations.faults.suite import (
    FAULTS,
    OF_THE_SAMPLE,
    SHORT,
    Choice,
    Line,
    Sizes,
    Step,
    beyond,
    run_all,
    run_control,
)
from operations.faults.world import World

REASON = "memory groups must be writable, got a read-only /sys"


def _not_here(_world: World) -> Line:
    raise NotHere(REASON)


def _broken(_world: World) -> Line:
    raise subprocess.CalledProcessError(69, "rabbitmqctl")


def _run(*steps: Step) -> list[Line]:
    world = cast("World", SimpleNamespace(clean=lambda: None))
    return list(run_all(world, [(step.__name__, step) for step in steps], lambda _name: None))


def test_what_cannot_be_had_is_skipped_with_its_reason() -> None:
    skipped, broken = _run(_not_here, _broken)
    assert (skipped.skipped, skipped.reason, skipped.good) == (True, REASON, False)
    assert not broken.skipped
    assert "not judged" in broken.outcome.verdict.found


def test_the_table_shows_the_reason_and_calls_it_neither_good_nor_bad() -> None:
    (row,) = report.rows(_run(_not_here))
    assert row[0] == "skipped"
    assert row[-2:] == [REASON, None]


def test_the_report_does_not_count_it() -> None:
    whole = report.whole_report(_run(_not_here, _broken), {}, seed=1, seconds=60)
    assert "0 of 1 scenarios as they should be" in whole["summary"]
    assert whole["summary"].endswith("; 1 skipped, which this machine cannot have")
    assert f"| _not_here | | | | skipped: {REASON} |" in figures(whole)


def test_what_is_tolerated_is_counted_apart() -> None:
    verdict = judging.Verdict({judging.DOUBLED: ["a x2", "b x2"]})
    outcome = Outcome(
        name="x", seed=1, events=100, injections=5, seconds=1.0, recovery=None, load_failures=0, verdict=verdict
    )
    strict = Line(kind="fault", name="strict", good=False, outcome=outcome)
    lenient = Line(kind="fault", name="lenient", good=True, outcome=outcome, tolerated=frozenset({judging.DOUBLED}))
    said = report.whole_report([lenient], {}, seed=1, seconds=60)["summary"]
    assert said.startswith("0 lost or doubled of 100 events")
    assert said.endswith("; 2 doubled where that is tolerated")
    whole = report.whole_report([strict, lenient], {}, seed=1, seconds=60)
    assert whole["summary"].startswith("2 lost or doubled of 200 events")
    assert (whole["worst"][judging.DOUBLED], whole["tolerated"]) == (2, 2)


def test_the_dozen_is_of_the_suite() -> None:
    assert set(SHORT) - {"zombies"} <= FAULTS.keys()
    assert len(set(SHORT)) == 12


def _outcome(found: dict[str, list[str]], injections: int = 5) -> Outcome:
    verdict = judging.Verdict(found)
    return Outcome(
        name="x",
        seed=1,
        events=100,
        injections=injections,
        seconds=1.0,
        recovery=None,
        load_failures=0,
        verdict=verdict,
    )


@pytest.mark.parametrize(
    ("found", "red"),
    [
        ({judging.DIED: ["relay"] * 5 + ["keeper"] * 5}, set()),
        ({judging.DIED: ["relay"] * 6}, {judging.DIED}),
        ({judging.NOT_INDEXED: ["e"] * 15}, set()),
        ({judging.NOT_INDEXED: ["e"] * 16}, {judging.NOT_INDEXED}),
        ({judging.LOST: ["e"]}, {judging.LOST}),
    ],
)
def test_what_is_tolerated_has_a_bound(found: dict[str, list[str]], red: set[str]) -> None:
    fault = Fault(name="x", inject=lambda _scene, _rng: 1, tolerated=frozenset({judging.DIED, judging.NOT_INDEXED}))
    assert beyond(_outcome(found), fault) == red


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ({judging.LOST: ["e"]}, True),
        ({judging.LOST: ["e"], judging.LEFT_OVER: ["3 messages in first"]}, False),
        ({judging.DOUBLED: ["e"]}, False),
    ],
)
def test_what_is_only_late_proves_no_guard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: dict[str, list[str]], good: bool
) -> None:
    monkeypatch.setattr(suite, "run_scenario", lambda *_arguments, **_named: _outcome(found, injections=6))
    world = cast("World", SimpleNamespace(layout=SimpleNamespace(root=tmp_path), clean=lambda: None))
    control = next(control for control in controls.CONTROLS if control.guard == "acks_late")
    assert run_control(world, control, 100, 1).good is good


def test_a_control_that_met_nothing_is_tried_once_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: list[dict[str, list[str]]] = [{}, {judging.LOST: ["e"]}, {}, {}, {judging.LOST: ["e"]}]
    seeds = []

    def scenario(*_arguments: object, seed: int, **_named: object) -> Outcome:
        seeds.append(seed)
        return _outcome(found.pop(0), injections=6)

    monkeypatch.setattr(suite, "run_scenario", scenario)
    world = cast("World", SimpleNamespace(layout=SimpleNamespace(root=tmp_path), clean=lambda: None))
    control = next(control for control in controls.CONTROLS if control.guard == "acks_late")
    assert run_control(world, control, 100, 1).good
    assert not run_control(world, control, 100, 1).good
    assert seeds == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("first", "tries"),
    [
        ({judging.DIED: ["relay"]}, 2),
        ({}, 2),
        ({judging.DIED: ["relay"], judging.DOUBLED: ["e x2"]}, 1),
        ({judging.LEFT_OVER: ["3 messages in first"]}, 1),
    ],
)
def test_only_what_says_nothing_against_the_promise_has_a_second_try(first: dict[str, list[str]], tries: int) -> None:
    lines = [
        Line(kind="fault", name="x", good=good, outcome=_outcome(found)) for found, good in ((first, False), ({}, True))
    ]
    world = cast("World", SimpleNamespace(clean=lambda: None))
    left = list(lines)
    (line,) = run_all(world, [("x", lambda _world: left.pop(0))], lambda _name: None, again=True)
    assert len(lines) - len(left) == tries
    assert line.good == (tries == 2)
    assert ("at the second try" in line.reason) == (tries == 2)
    left = list(lines)
    assert not next(run_all(world, [("x", lambda _world: left.pop(0))], lambda _name: None)).good


def test_whatever_one_scenario_meets_the_others_run() -> None:
    def odd(_world: World) -> Line:
        raise KeyError("leader")

    def unclean() -> None:
        raise OSError("no broker")

    world = cast("World", SimpleNamespace(clean=unclean))
    first, second = run_all(world, [("odd", odd), ("broken", _broken)], lambda _name: None)
    assert first.outcome.verdict.found == {"not judged": ["KeyError: 'leader'"], "not cleaned": ["OSError: no broker"]}
    assert [first.good, second.good] == [False, False]


def test_of_your_own_nothing_is_asked_that_only_the_sample_has(tmp_path: Path) -> None:
    world = cast(
        "World", SimpleNamespace(layout=SimpleNamespace(root=tmp_path), groups=lambda: ["orders"], lanes=lambda: [])
    )
    choice = Choice(sizes=Sizes(), seed=1, full=True, own=SAMPLE)
    chosen = {name for name, _step in choice.steps(world)}
    assert "mixed chaos" in chosen
    assert not chosen & set(OF_THE_SAMPLE)


def test_the_guards_of_the_plan_are_each_switched_off() -> None:
    assert len({control.guard for control in controls.CONTROLS}) == 14
