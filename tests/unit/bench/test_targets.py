"""What had to be reached, and what was."""

from bench import names
from bench.axes import everything, quick
from bench.spread import Spread
from bench.targets import TARGETS, Target
from tests.unit.bench.reports import small_report


def test_a_target_is_a_ratio_of_two_rows() -> None:
    target = Target(what="", bound=5, axis="drain", row=names.LANE_EFFECT, against=names.CELERY_BARE)
    assert target.seen(small_report()) == Spread(5.25, 4.5, 6.0)


def test_a_row_that_failed_or_is_not_there_is_not_measured() -> None:
    for row in ("taskiq, nothing", "nobody"):
        target = Target(what="", bound=5, axis="drain", row=row, against=names.CELERY_BARE)
        assert target.seen(small_report()) is None


def test_the_bound_is_below_or_above() -> None:
    least = Target(what="", bound=2, axis="", row="", against="")
    most = Target(what="", bound=2, axis="", row="", against="", at_most=True)
    assert (least.reached(Spread(2.1, 1, 3)), least.reached(Spread(1.9, 1, 3))) == (True, False)
    assert (most.reached(Spread(2.1, 1, 3)), most.reached(Spread(1.9, 1, 3))) == (False, True)
    assert (least.text, most.text) == ("at least 2x", "at most 2x")


def test_all_that_the_targets_speak_of_is_measured() -> None:
    measured = {(axis.name, case.name) for axis in everything() for case in axis.cases}
    for target in TARGETS:
        assert {(target.axis, target.row), (target.axis, target.against)} <= measured


def test_the_quick_run_leaves_out_the_long_backlog_only() -> None:
    measured = {(axis.name, case.name) for axis in quick() for case in axis.cases}
    missing = {target.axis for target in TARGETS if (target.axis, target.row) not in measured}
    assert missing == {"backlog"}
