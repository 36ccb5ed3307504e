"""What several rounds say together."""

import pytest

from bench.spread import Spread, percentile, ratios


def test_the_middle_is_shown_with_the_ends() -> None:
    assert Spread.of([3.0, 1.0, 2.0]).text() == "2.00 (1.00-3.00)"


def test_one_value_has_no_ends() -> None:
    assert Spread.of([12345.6]).text(0) == "12,346"


def test_ratios_are_taken_round_by_round() -> None:
    # the second round met a busy machine, which both have felt
    one, other = [{"x": 10.0}, {"x": 4.0}], [{"x": 5.0}, {"x": 2.0}]
    assert ratios(one, other, "x") == Spread(2.0, 2.0, 2.0)


def test_a_round_that_one_of_them_lacks_is_left_out() -> None:
    assert ratios([{"x": 10.0}], [{"x": 5.0}, {"x": 1.0}], "x") == Spread(2.0, 2.0, 2.0)


def test_without_rounds_there_is_no_ratio() -> None:
    assert ratios([], [{"x": 1.0}], "x") is None


@pytest.mark.parametrize(("share", "value"), [(0.5, 51.0), (0.99, 100.0), (0.999, 100.0)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], share) == value
