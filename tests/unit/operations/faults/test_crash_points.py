"""Orders to crash: taken so often and no more, whichever process asks; every point is a step that is there."""

import importlib
from pathlib import Path

import pytest

from operations.faults.armed import CRASH_VARIABLE
from operations.faults.crash_points import GO, POINTS, Order, Point
from operations.faults.crash_scenarios import rounds


def test_an_order_is_taken_so_often_once_it_is_given(tmp_path: Path) -> None:
    order = Order(point="x", count=3, chance=1.0, directory=tmp_path, how="freeze")
    assert not order.take()
    (tmp_path / GO).touch()
    another = Order.parse(order.as_environment()[CRASH_VARIABLE])
    assert another == order
    assert [each.take() for each in (order, another, order, another)] == [True, True, True, False]
    assert order.done == 3


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_every_point_is_a_step_that_is_there(point: Point) -> None:
    module, _, path = point.place.partition(":")
    step = importlib.import_module(module)
    for name in path.split("."):
        step = getattr(step, name)
    assert callable(step)


def test_the_rounds_have_every_point_once(tmp_path: Path) -> None:
    ordered = [order.point for each in rounds(tmp_path, 1) for order in each.orders]
    assert sorted(ordered) == sorted(point.name for point in POINTS)


def test_your_own_groups_have_every_point_that_any_handler_reaches(tmp_path: Path) -> None:
    """Those of the lane in the groups that have one, the others in the others."""
    made = list(rounds(tmp_path, 1, ["long", "short"], lanes=["short"]))
    ordered = {order.point for each in made for order in each.orders}
    of_the_sample = {"before a retry is sent", "after a retry was sent"}
    of_the_sample |= {"after the intent of a call", "after a call, before its outcome"}
    assert ordered == {point.name for point in POINTS} - of_the_sample
    armed: dict[str, set[str]] = {}
    for each in made:
        for process, environment in each.fault.arming.items():
            armed.setdefault(process, set()).add(environment[CRASH_VARIABLE].split("|")[0])
    assert armed.keys() == {"worker-long", "worker-short", "relay", "keeper"}
    assert armed["worker-short"] == {point.name for point in POINTS if point.in_lane}


def test_groups_without_a_lane_have_none_of_its_points(tmp_path: Path) -> None:
    ordered = {order.point for each in rounds(tmp_path, 1, ["long"]) for order in each.orders}
    assert not [name for name in ordered if name.startswith("lane")]
