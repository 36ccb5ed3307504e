"""When a scenario is calm: nothing red any more, or only what its fault may redden, and that unchanged."""

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from operations.faults import scenario

if TYPE_CHECKING:
    from operations.faults.load import Load
    from operations.faults.oracle import Judging
    from operations.faults.world import World

MAY = frozenset({"not indexed"})


class _Clock:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _calm_after(
    monkeypatch: pytest.MonkeyPatch, *found: dict[str, int], done: bool = True, unguarded: bool = False
) -> float:
    """How long it waits when each look finds one of these, the last one for ever."""
    clock, looks = _Clock(), list(found)
    monkeypatch.setattr(scenario, "time", clock)
    oracle = SimpleNamespace(still_red=lambda: looks.pop(0) if len(looks) > 1 else looks[0])
    load = SimpleNamespace(done=done)
    fault = scenario.Fault(name="any", inject=lambda _scene, _rng: 1, tolerated=MAY, unguarded=unguarded)
    scenario._await_calm(cast("Load", load), cast("Judging", oracle), fault, 90.0)
    return clock.now


def test_no_red_line_is_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _calm_after(monkeypatch, {"lost": 2}, {"lost": 1}, {}) == pytest.approx(0.4 + scenario.CALM_SECONDS, abs=0.3)


def test_what_may_be_red_is_waited_for_while_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    changing = [{"not indexed": number} for number in range(40, 0, -1)]
    assert _calm_after(monkeypatch, *changing, {}) == pytest.approx(8.0 + scenario.CALM_SECONDS, abs=0.3)
    assert _calm_after(monkeypatch, {"not indexed": 3}) == pytest.approx(10.0, abs=0.3)


@pytest.mark.parametrize("red", [{"lost": 1}, {"lost": 1, "not indexed": 1}])
def test_what_may_not_be_red_is_waited_for_to_the_end(monkeypatch: pytest.MonkeyPatch, red: dict[str, int]) -> None:
    assert _calm_after(monkeypatch, red) == pytest.approx(90.0, abs=0.3)


def test_without_a_guard_all_is_said_once_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [{"lost": 9, "left over": 1}] * 40
    assert _calm_after(monkeypatch, *waiting, {"lost": 9}, unguarded=True) == pytest.approx(13.0, abs=0.5)
    assert _calm_after(monkeypatch, *waiting, unguarded=True) == pytest.approx(90.0, abs=0.3)


def test_it_is_not_calm_while_the_load_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _calm_after(monkeypatch, {}, done=False) == pytest.approx(90.0, abs=0.3)


@pytest.mark.parametrize("needs", ["", "broker"])
def test_a_stack_with_what_is_hurt_fits(needs: str) -> None:
    world = cast("World", SimpleNamespace(servers=[SimpleNamespace(name="broker")]))
    assert scenario.Fault(name="any", inject=lambda _scene, _rng: 1, needs=needs).fits(world)


def test_a_stack_without_what_is_hurt_is_said() -> None:
    world = cast("World", SimpleNamespace(servers=[SimpleNamespace(name="broker")]))
    fault = scenario.Fault(name="any", inject=lambda _scene, _rng: 1, needs="postgres")
    with pytest.raises(scenario.NotHere, match="postgres must be a process"):
        scenario.run_scenario(world, fault, events=1, seed=1)


def test_what_turns_red_again_in_a_moment_is_not_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _calm_after(monkeypatch, {}, {"doubled": 1}) == pytest.approx(90.0, abs=0.3)


def _recovered(monkeypatch: pytest.MonkeyPatch, *seen: int, expected: int = 100) -> float | None:
    """The recovery when each look, 0.05 s after the other, counts one of these, the last one for ever."""
    looks = list(seen)
    monkeypatch.setattr(scenario, "time", _Clock())
    oracle = SimpleNamespace(
        effects_so_far=lambda: looks.pop(0) if len(looks) > 1 else looks[0], expected_effects=lambda: expected
    )
    return scenario._recovery(cast("Judging", oracle))


def test_a_store_that_does_not_answer_has_not_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _recovered(monkeypatch, 7, -1, -1, 7, 8) == pytest.approx(0.2)
    assert _recovered(monkeypatch, -1, -1, 7, 8) == pytest.approx(0.15)


def test_no_effect_in_a_minute_is_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _recovered(monkeypatch, 7) == scenario.RECOVERY_SECONDS
    assert _recovered(monkeypatch, -1) == scenario.RECOVERY_SECONDS


def test_nothing_left_to_come_is_no_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _recovered(monkeypatch, 100) is None


@pytest.mark.parametrize(
    ("named", "seconds"), [({}, 10.0), ({"lasting": 40.0}, 40.0), ({"every": 20.0, "injections": 6}, 200.0)]
)
def test_a_load_is_long_enough_for_its_faults(named: dict[str, Any], seconds: float) -> None:
    fault = scenario.Fault(name="any", inject=lambda _scene, _rng: 1, **named)
    assert 1000 / fault.rate(1000) == pytest.approx(seconds)


def test_a_load_that_stands_still_is_not_hurt_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    monkeypatch.setattr(scenario, "time", clock)
    oracle = SimpleNamespace(expected_effects=lambda: 100, effects_so_far=lambda: 50)
    scene = SimpleNamespace(load=SimpleNamespace(events=[None] * 100, rate=100.0))
    fault = scenario.Fault(name="any", inject=lambda _scene, _rng: 1, every=1.0)
    done = scenario._hurt(cast("scenario.Scene", scene), fault, cast("Judging", oracle), random.Random(1))
    assert done == clock.now == 5.0
