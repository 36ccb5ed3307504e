"""The report as plain data."""

import json

from bench.report import Report
from bench.spread import Spread
from tests.unit.bench.reports import small_report


def test_what_was_written_is_read_again() -> None:
    report = small_report()
    assert Report.from_json(json.loads(json.dumps(report.as_json()))) == report


def test_a_figure_that_was_not_measured_has_no_spread() -> None:
    section = small_report().section("drain")
    assert section is not None
    assert section.rows[0].spread("per_second") == Spread(2250.0, 2000.0, 2500.0)
    assert section.rows[0].spread("p50_ms") is None
    assert section.row("nobody") is None


def test_what_is_measured_anew_is_not_taken_over() -> None:
    report, other = Report({}, {}), small_report()
    report.take_over(other, but={"publish"})
    assert report.sections == other.sections
    assert report.minutes == other.minutes
    again = Report({}, {})
    again.take_over(other, but={"drain"})
    assert again.sections == []
