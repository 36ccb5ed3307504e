"""The figures as a page."""

import json
from pathlib import Path

import pytest

from bench import document, tables
from bench.document import figures
from tests.unit.bench.reports import small_report


def test_targets_stand_beside_what_was_seen() -> None:
    found = figures(small_report())
    assert (
        "| inbox + one effect row, against bare Celery with nothing | at least 5x | 5.25 (4.50-6.00)x | yes |" in found
    )
    assert "| drain rate with 1,000,000 waiting, against 10,000 | at least 0.9x | not measured |  |" in found


def test_a_section_shows_its_figure_with_the_ends_and_the_ratio() -> None:
    found = figures(small_report())
    assert "|  | per second | client, µs | ratio |" in found
    assert "| Millrace, inbox + effect | 12,000 (9,000-15,000) | 95 | 5.25 (4.50-6.00) |" in found


def test_who_failed_is_named_in_one_line() -> None:
    assert tables.failures(small_report()) == ["drain: taskiq, nothing: RuntimeError: it said no"]
    assert "| taskiq, nothing | failed |  |  |" in figures(small_report())


def test_what_a_process_said_does_not_come_to_the_page() -> None:
    report = small_report()
    report.sections[0].rows[2].failed = "RuntimeError: stands still with 9 left: File /home/me/x.py: oh"
    assert "- drain: taskiq, nothing: RuntimeError: stands still with 9 left\n" in figures(report) + "\n"
    assert "/home/me" not in figures(report)


def test_the_page_is_written_between_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, source = tmp_path / "page.md", tmp_path / "report.json"
    page.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    source.write_text(json.dumps(small_report().as_json()))
    (tmp_path / "report.png").write_bytes(b"plot")
    monkeypatch.setattr(document, "PAGE", page)
    monkeypatch.setattr(document, "PLOT", tmp_path / "page.png")
    assert document.main([str(source)]) == 0
    assert page.read_text().startswith("before\n<!-- figures: begin -->\ncores 2; python 3.11; ")
    assert page.read_text().endswith("\n<!-- figures: end -->\nafter\n")
    assert (tmp_path / "page.png").read_bytes() == b"plot"


def test_without_a_report_it_says_what_it_needs() -> None:
    assert document.main([]) == 2


def test_what_was_not_come_to_has_not_failed() -> None:
    report = small_report()
    report.sections[0].rows[2].failed = None
    assert "| taskiq, nothing | not measured |  |  |" in figures(report)
    assert tables.failures(report) == []
