"""A small report for the tests of what becomes of it."""

from bench import names
from bench.report import Report, Row, Section


def small_report() -> Report:
    """Two rounds of three contenders, one of which has failed."""
    rows = [
        Row(
            names.CELERY_BARE, [{"per_second": 2000.0, "client_us": 400.0}, {"per_second": 2500.0, "client_us": 420.0}]
        ),
        Row(
            names.LANE_EFFECT, [{"per_second": 9000.0, "client_us": 100.0}, {"per_second": 15000.0, "client_us": 90.0}]
        ),
        Row("taskiq, nothing", [], "RuntimeError: it\nsaid no"),
    ]
    section = Section("drain", "Draining", "per_second", rows)
    return Report({"cores": "2"}, {"python": "3.11"}, 3.5, [section])
