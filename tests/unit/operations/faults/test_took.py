"""A fault counts only if it took: what nobody noticed has hurt nobody."""

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from operations.faults import broker_faults, controls, limits, restarts
from operations.faults.process_faults import hang_and_poison
from operations.faults.sample import HANGS, Poisonous
from operations.faults.scenario import Scene

RNG = random.Random(1)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE_SECONDS", 0.0)
    for module in (broker_faults, controls):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _seconds: None))


def _scene(load: Any, **world: Any) -> Scene:
    proxy = SimpleNamespace(hold=lambda **_ways: None, cut=lambda: None, let_pass=load.meet)
    return cast("Scene", SimpleNamespace(load=load, world=SimpleNamespace(load_proxy=proxy, **world)))


class _Load:
    """A load that notices its line, or does not."""

    def __init__(self, notices: bool = True, done: bool = False) -> None:
        self.failures, self.done, self._notices = 0, done, notices

    def meet(self) -> None:
        self.failures += self._notices


@pytest.mark.parametrize("notices", [True, False])
def test_confirms_are_held_if_a_publish_failed(notices: bool) -> None:
    assert broker_faults.hold_confirms(_scene(_Load(notices)), RNG) is notices


@pytest.mark.parametrize("fault", [controls.drop_lines_unsent, controls.unbind_the_door])
def test_a_load_that_is_over_cannot_be_hurt(fault: Callable[[Scene, random.Random], bool]) -> None:
    assert fault(_scene(_Load(done=True)), RNG) is False


@pytest.mark.parametrize("met", [True, False])
def test_the_door_stays_unbound_until_something_was_published_meanwhile(
    monkeypatch: pytest.MonkeyPatch, met: bool
) -> None:
    accepted = {"before": "a.type"}
    seen: list[tuple[bool, int]] = []

    def wait(condition: Callable[[], bool]) -> bool:
        seen.append((condition(), len(applied)))
        if met:
            accepted["meanwhile"] = "a.type"
        return condition()

    applied: list[str] = []
    monkeypatch.setattr(controls, "within", wait)
    empty = httpx.Client(base_url="http://broker", transport=httpx.MockTransport(lambda _asked: _none_bound()))
    world = SimpleNamespace(
        record=SimpleNamespace(vhost="scratch"), management=lambda: empty, apply=lambda: applied.append("again")
    )
    scene = SimpleNamespace(load=_Load(), world=world, ledger=SimpleNamespace(accepted=accepted))
    assert controls.unbind_the_door(cast("Scene", scene), RNG) is met
    assert seen == [(False, 0)]
    assert applied == ["again"]


def _none_bound() -> httpx.Response:
    return httpx.Response(200, json=[])


@pytest.mark.parametrize("seen", [True, False])
def test_an_alarm_must_be_seen_and_is_taken_back(monkeypatch: pytest.MonkeyPatch, seen: bool) -> None:
    put: list[str] = []
    monkeypatch.setattr(broker_faults, "_set_watermark", lambda _world, share: put.append(share))
    monkeypatch.setattr(broker_faults, "alarmed", lambda _world: seen)
    assert broker_faults.memory_alarm(_scene(_Load()), RNG) is seen
    assert put == [broker_faults.ALARMING, broker_faults.USUAL]


@pytest.mark.parametrize(("pids", "took"), [([1, 2], True), ([1, 1], False), ([1, None], False)])
def test_a_restart_is_another_process(monkeypatch: pytest.MonkeyPatch, pids: list[int | None], took: bool) -> None:
    monkeypatch.setattr(restarts, "RESTART_SECONDS", 0.0)
    monkeypatch.setattr(restarts, "_taken", lambda _world: restarts.TAKEN)
    fields = {"worker": lambda group: group, "signal": lambda *_given: True}
    scene = _scene(_Load(), pid=lambda _name: pids.pop(0), **fields)
    assert restarts.restart_the_group(scene, RNG) is took


@pytest.mark.parametrize(("hung", "poisonous", "counted"), [(2, 5, 7), (0, 5, 0)])
def test_a_load_without_what_hangs_has_nothing_that_hangs(hung: int, poisonous: int, counted: int) -> None:
    events = [SimpleNamespace(data={"how": how}) for how in [HANGS] * hung + ["well"] * 3]
    asked = SimpleNamespace(meant_of=lambda type_: range(poisonous if type_ == Poisonous.event_type else 0))
    scene = cast("Scene", SimpleNamespace(load=SimpleNamespace(events=events), ledger=asked))
    assert hang_and_poison(scene, RNG) == counted
