"""Whether many delayed events came as they should is judged, not only printed."""

import dataclasses

import pytest

from operations.faults.delayed import FLAT_MIB, Result

GOOD = Result(
    events=10,
    missing=0,
    doubled=0,
    early=0,
    late=0,
    lateness_p50=0.1,
    lateness_p99=0.5,
    worker_mib_first=100.0,
    worker_mib_last=100.0 + FLAT_MIB,
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
        ({"worker_mib_last": 101.0 + FLAT_MIB}, "the worker's memory grew"),
        ({"restarts": 0}, "the broker was not restarted"),
    ],
)
def test_each_thing_that_is_not(change: dict[str, float], said: str) -> None:
    assert dataclasses.replace(GOOD, **change).wrong() == [said]  # type: ignore[arg-type]
