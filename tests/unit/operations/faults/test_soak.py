"""The slope of a process's memory: its warm-up and short lives do not count."""

import pytest

from operations.faults.soak import Memory, slope


def _steady(seconds: int, mib_an_hour: float, warm_up: float = 0.0) -> list[tuple[float, float]]:
    return [(float(at), 50 + (warm_up if at >= 60 else 0) + mib_an_hour * at / 3600) for at in range(0, seconds, 10)]


def test_the_slope_is_in_mib_an_hour_without_the_warm_up() -> None:
    assert slope(_steady(1_000, 7.0, warm_up=100.0)) == pytest.approx(7.0)


def test_a_short_life_says_nothing() -> None:
    assert slope(_steady(200, 7.0)) is None
    assert slope([]) is None


def test_roles_weigh_their_processes_by_how_long_they_ran() -> None:
    memory = Memory()
    memory.points["relay", 1] = _steady(3_010, 0.0)
    memory.points["relay", 2] = _steady(1_010, 8.0)
    memory.points["relay", 3] = _steady(100, 1_000.0)
    assert memory.slopes() == {"relay": pytest.approx(2.0)}
