"""How many workers a group needs, and that the number does not swing."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from millrace import WorkerGroup, seconds
from millrace.derived import timing
from millrace.events import UserSignedUp
from millrace.scaling import STEP_SECONDS, STEP_UP, TOLERANCE, Damping, Load, Scale, scale_of, wanted

SCALE = Scale(smallest=0, largest=20, slots=2, rate=4.0)

loads = st.builds(
    Load,
    ready=st.integers(0, 100_000),
    unacknowledged=st.integers(0, 2_000),
    rate=st.floats(0, 10_000, allow_nan=False).map(lambda rate: round(rate, 3)),
)
scales = st.builds(
    lambda smallest, more, slots, rate: Scale(
        smallest=smallest, largest=max(1, smallest + more), slots=slots, rate=rate
    ),
    st.integers(0, 5),
    st.integers(0, 50),
    st.integers(1, 300),
    st.floats(0, 1_000).map(lambda rate: round(rate, 3)),
)


@pytest.mark.parametrize(
    ("load", "current", "expected"),
    [
        (Load(ready=0, unacknowledged=0), 0, 0),
        (Load(ready=0, unacknowledged=0), 9, 0),
        (Load(ready=1, unacknowledged=0), 0, 1),
        (Load(ready=7, unacknowledged=2), 0, 5),
        (Load(ready=0, unacknowledged=8), 4, 4),
        (Load(ready=5_000, unacknowledged=0), 1, 20),
        (Load(ready=0, unacknowledged=0, rate=0.1), 0, 1),
        (Load(ready=2, unacknowledged=0, rate=33.0), 1, 9),
        (Load(ready=22, unacknowledged=0), 10, 10),  # within a tenth
        (Load(ready=23, unacknowledged=0), 10, 12),
        (Load(ready=0, unacknowledged=0, rate=4.0009), 0, 2),  # rounded to thousandths, as KEDA does
    ],
)
def test_examples(load: Load, current: int, expected: int) -> None:
    assert wanted(load, SCALE, current) == expected


@given(load=loads, scale=scales, current=st.integers(0, 60))
def test_within_its_bounds_and_enough_for_what_is_in_hand(load: Load, scale: Scale, current: int) -> None:
    number = wanted(load, scale, current)
    assert scale.smallest <= number <= scale.largest
    nothing = load.ready + load.unacknowledged == 0 and (load.rate == 0 or scale.rate == 0)
    assert number >= 1 or nothing
    in_hand = min(load.unacknowledged, current * scale.slots)
    assert number * scale.slots >= min(in_hand, scale.largest * scale.slots) * (1 - TOLERANCE)
    held = math.ceil(in_hand / scale.slots)
    if load.unacknowledged <= current * scale.slots * (1 - TOLERANCE):
        assert number >= min(held, scale.largest)


@given(load=loads, scale=scales, current=st.integers(0, 60), more=st.integers(0, 10_000))
def test_more_waiting_never_wants_fewer(load: Load, scale: Scale, current: int, more: int) -> None:
    bigger = replace(load, ready=load.ready + more)
    assert wanted(bigger, scale, current) >= wanted(load, scale, current)


@given(load=loads, scale=scales, start=st.integers(0, 55))
def test_a_constant_load_settles(load: Load, scale: Scale, start: int) -> None:
    """It is reached within a number of looks, and from then on nothing is started and nothing ends."""
    damping, current, found = Damping(cool_down=30.0), start, []
    for look in range(80):
        raw = wanted(load, scale, current)
        current = damping.damped(look * 5.0, raw, current)
        found.append(current)
    assert len(set(found[-20:])) == 1
    assert found == sorted(found) or found == sorted(found, reverse=True)


def test_fewer_only_after_the_whole_cool_down() -> None:
    damping = Damping(cool_down=30.0)
    assert damping.damped(0.0, 8, 8) == 8
    assert damping.damped(29.0, 2, 8) == 8
    assert damping.damped(30.5, 2, 8) == 4
    assert damping.damped(31.0, 2, 4) == 4, "half of what there was a period ago, no more"
    assert damping.damped(30.5 + STEP_SECONDS, 2, 4) == 2


def test_a_burst_in_the_cool_down_begins_it_anew() -> None:
    damping = Damping(cool_down=30.0)
    damping.damped(0.0, 8, 8)
    damping.damped(20.0, 6, 8)
    assert damping.damped(35.0, 0, 8) == 6
    assert damping.damped(51.0, 0, 6) == 0, "to none in one step"


def test_to_a_smallest_that_is_not_none_by_steps() -> None:
    damping = Damping(cool_down=30.0)
    damping.damped(0.0, 8, 8)
    assert damping.damped(30.5, 1, 8) == 4
    assert damping.damped(31.0, 1, 4) == 4
    assert damping.damped(30.5 + STEP_SECONDS, 1, 4) == 2


def test_steps_up_are_bounded() -> None:
    damping, current = Damping(cool_down=30.0), 0
    assert (current := damping.damped(0.0, 100, current)) == 1
    assert (current := damping.damped(5.0, 100, current)) == 1 + STEP_UP, (
        "from none to one is KEDA's step, not the HPA's"
    )
    assert (current := damping.damped(10.0, 100, current)) == 1 + STEP_UP
    assert (current := damping.damped(20.0, 100, current)) == 2 * (1 + STEP_UP)
    assert (current := damping.damped(35.0, 100, current)) == 4 * (1 + STEP_UP)


def test_from_sleep_one_comes_first_and_then_the_formulas_answer() -> None:
    group = WorkerGroup("any", handles=[UserSignedUp], longest_runtime=seconds(30), replicas=(0, 3))
    damping, scale, load = Damping.of(group), scale_of(group, 2), Load(ready=50, unacknowledged=0)
    assert damping.cool_down == timing(group).cool_down
    assert damping.damped(0.0, wanted(load, scale, 0), 0) == 1
    assert damping.damped(5.0, wanted(load, scale, 1), 1) == 3


def test_what_a_worker_is_meant_for() -> None:
    pool = WorkerGroup("pool", handles=[UserSignedUp], longest_runtime=seconds(10), replicas=(1, 4))
    assert scale_of(pool, 2) == Scale(smallest=1, largest=4, slots=2, rate=0.2)
    usual = replace(pool, usual_runtime=timedelta(milliseconds=100))
    assert scale_of(usual, 2).rate == 20.0
    long = replace(pool, longest_runtime=seconds(61))
    assert scale_of(long, 2) == Scale(smallest=1, largest=4, slots=1, rate=0.0)
    lane = replace(pool, longest_runtime=seconds(0.5))
    assert scale_of(lane, 2).slots == 60
    slow = replace(pool, longest_runtime=timedelta(hours=12), replicas=(0, 4))
    assert scale_of(slow, 2).rate == 0
    assert wanted(Load(ready=0, unacknowledged=0, rate=5.0), scale_of(slow, 2), 0) == 0, "KEDA is not asked of arrivals"
    assert scale_of(lane, 2, lanes=False) == Scale(smallest=1, largest=4, slots=2, rate=4.0)
    assert scale_of(lane, 2).rate == 2.0, "a lane runs one handler at a time"
