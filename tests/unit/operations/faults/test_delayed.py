"""Whether many delayed events came as they should is judged, not only printed."""

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from operations.faults import delayed
from operations.faults.delayed import CATCHING_UP_SECONDS, FLAT_MIB, WAITING, Result, Watch
from operations.faults.world import World

GOOD = Result(
    events=10,
    judged=5,
    held_up=1,
    missing=0,
    doubled=0,
    early=0,
    late=0,
    lateness_p50=0.1,
    lateness_p99=0.5,
    worst=0.6,
    worker_mib_first=100.0,
    worker_mib_last=100.0 + 3 * FLAT_MIB,
    processes=3,
    restarts=1,
)


def test_all_as_it_should_be() -> None:
    assert GOOD.wrong() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"missing": 1}, "missing"),
        ({"doubled": 1}, "doubled"),
        ({"early": 1}, "early"),
        ({"late": 1}, "late"),
        ({"judged": 4}, "the workers did not keep up"),
        ({"worker_mib_last": 101.0 + 3 * FLAT_MIB}, "the worker's memory grew"),
        ({"restarts": 0}, "the broker was not restarted"),
    ],
)
def test_each_thing_that_is_not(change: dict[str, float], said: str) -> None:
    assert dataclasses.replace(GOOD, **change).wrong() == [said]  # type: ignore[arg-type]


def _watched(monkeypatch: pytest.MonkeyPatch, answers: list[Any]) -> Watch:
    """A watch that has looked at 1, 2, 3... and got these answers."""
    now = iter(range(1, len(answers) + 1))

    def totals(_api: Any, _vhost: str) -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"second": answer}

    monkeypatch.setattr(delayed, "queue_totals", totals)
    monkeypatch.setattr(delayed, "time", SimpleNamespace(time=lambda: float(next(now))))
    watch = Watch(cast("World", SimpleNamespace(management=nullcontext, record=SimpleNamespace(vhost="v"))))
    watch._over = cast(Any, SimpleNamespace(wait=lambda _seconds: not answers))
    watch.run()
    return watch


GOOD_LOOK = {"messages_ready": WAITING}


@pytest.mark.parametrize("bad", [{"messages_ready": WAITING + 1}, {}])
def test_what_comes_due_in_a_backlog_is_not_judged(monkeypatch: pytest.MonkeyPatch, bad: Any) -> None:
    good = GOOD_LOOK
    watch = _watched(monkeypatch, [good, good, good, bad, good, good, good])
    assert watch.kept_up(1.5, 2.5)
    assert watch.kept_up(5.5, 6.5)
    assert not watch.kept_up(2.5, 3.5)  # the next look finds it
    assert not watch.kept_up(4.2, 4.8)  # the one before has found it
    assert not watch.kept_up(1.5, 6.5)


@pytest.mark.parametrize("away", [httpx.ConnectError("the broker is down"), KeyError("second")])
def test_what_comes_due_without_a_broker_or_soon_after_is_not_judged(
    monkeypatch: pytest.MonkeyPatch, away: Exception
) -> None:
    """It leaves the delay queues as fast as these go."""
    caught_up = 2 + CATCHING_UP_SECONDS
    watch = _watched(monkeypatch, [GOOD_LOOK, away, *[GOOD_LOOK] * 30])
    assert not watch.kept_up(1.5, 2.5)
    assert not watch.kept_up(caught_up - 1.5, caught_up - 0.5)
    assert watch.kept_up(caught_up + 0.5, caught_up + 1.5)


def test_an_absence_lasts_until_the_queues_have_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = _watched(monkeypatch, [GOOD_LOOK, KeyError("second"), GOOD_LOOK])
    assert watch.absence is None
    monkeypatch.setattr(delayed, "time", SimpleNamespace(time=lambda: 1.5))
    watch.leaves()
    assert watch.absence == (1.5, 2.0 + CATCHING_UP_SECONDS)


def test_without_a_look_nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _watched(monkeypatch, []).kept_up(1.0, 2.0)
