"""While nobody consumes just the workers are gone, and what died before by itself is not forgotten."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from operations.faults import absence
from operations.faults.scenario import Scene
from operations.local.process_spec import ProcessSpec

NAMES = ("broker", "relay", "worker-first", "worker-second", "worker-second-b")


@dataclass
class _World:
    """Notes what runs; a worker that is told to run again has no restarts."""

    ran: list[set[str]] = field(default_factory=list)
    planned: dict[str, int] = field(default_factory=lambda: {"worker-first": 2, "relay": 1})
    restarts: dict[str, int] = field(default_factory=lambda: {"worker-first": 3, "relay": 1})
    layout: None = None

    def told(self) -> list[ProcessSpec]:
        return [ProcessSpec(name=name, argv=("x",), cwd="/") for name in NAMES]

    def unplanned(self) -> dict[str, int]:
        more = {name: self.restarts.get(name, 0) - self.planned.get(name, 0) for name in NAMES}
        return {name: count for name, count in more.items() if count > 0}

    def only(self, specs: Sequence[ProcessSpec]) -> None:
        self.ran.append({spec.name for spec in specs})
        self.restarts = {"relay": 1}


@pytest.mark.parametrize(("events", "seconds"), [(9_999, 60.0), (10_000, 300.0)])
def test_the_workers_are_gone_for_as_long_as_the_load_is_big(
    monkeypatch: pytest.MonkeyPatch, events: int, seconds: float
) -> None:
    world, slept = _World(), list[float]()
    monkeypatch.setattr("operations.faults.absence.time.sleep", slept.append)
    monkeypatch.setattr(absence, "apply_fleet", lambda _layout, specs: world.ran.append({spec.name for spec in specs}))
    scene = cast("Scene", SimpleNamespace(world=world, load=SimpleNamespace(events=[None] * events)))
    assert absence.no_consumer(scene, random.Random(1))
    assert world.ran == [{"broker", "relay"}, set(NAMES)]
    assert slept == [seconds]
    assert world.unplanned() == {"worker-first": 1}
