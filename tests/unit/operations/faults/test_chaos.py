"""Mixed chaos draws by its seed, and only what fits a stack that was started as usual."""

import random
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from operations.faults import chaos as module
from operations.faults.chaos import chaos, mixable
from operations.faults.scenario import Fault, Scene


@pytest.fixture(autouse=True)
def _up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broker and database answer."""
    monkeypatch.setattr(module, "broker_answers", lambda _world: True)
    monkeypatch.setattr(module, "answers", lambda _engine: True)


def _faults(heard: list[str]) -> list[Fault]:
    def hurts(name: str) -> Fault:
        return Fault(
            name=name,
            inject=lambda _scene, _rng: heard.append(name) or 1,  # type: ignore[func-returns-value]
            heal=lambda _world: heard.append(f"{name} healed"),
        )

    return [hurts("one"), hurts("two"), hurts("three")]


def _drawn(seed: int) -> list[str]:
    heard: list[str] = []
    fault, rng = chaos(_faults(heard)), random.Random(seed)
    scene = cast("Scene", SimpleNamespace(world=SimpleNamespace(say=lambda _text: None, servers=(), engine=None)))
    assert [fault.inject(scene, rng) for _ in range(20)] == [1] * 20
    return heard


def test_the_same_seed_draws_the_same_faults() -> None:
    assert _drawn(1) == _drawn(1)
    assert _drawn(1) != _drawn(2)


def test_each_is_healed_before_the_next() -> None:
    heard = _drawn(3)
    assert heard[1::2] == [f"{name} healed" for name in heard[::2]]
    assert set(heard[::2]) == {"one", "two", "three"}


@pytest.mark.parametrize(
    "needs",
    [
        {"arming": {"*": {"A": "b"}}},
        {"behaviour": {"fails once": 0.1}},
        {"poison": True},
        {"twice": ("first",)},
        {"around": lambda _world: nullcontext()},
    ],
)
def test_what_needs_a_special_start_is_left_out(needs: dict[str, Any]) -> None:
    special = Fault(name="special", inject=lambda _scene, _rng: 1, **needs)
    assert mixable([special]) == []
    with pytest.raises(ValueError, match="must have faults"):
        chaos([special])


def test_what_the_stack_does_not_have_is_not_drawn() -> None:
    missing = Fault(name="missing", inject=lambda _scene, _rng: 0, needs="postgres")
    here = Fault(name="here", inject=lambda _scene, _rng: 1)
    fault, rng = chaos([missing, here]), random.Random(1)
    scene = cast("Scene", SimpleNamespace(world=SimpleNamespace(say=lambda _text: None, servers=(), engine=None)))
    assert {fault.inject(scene, rng) for _ in range(20)} == {1}


@pytest.mark.parametrize("out", ["broker_answers", "answers"])
def test_nothing_is_drawn_while_the_last_one_is_not_over(monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    monkeypatch.setattr(module, out, lambda _thing: False)
    heard: list[str] = []
    scene = cast("Scene", SimpleNamespace(world=SimpleNamespace(say=heard.append, servers=(), engine=None)))
    assert chaos(_faults(heard)).inject(scene, random.Random(1)) == 0
    assert heard == []
