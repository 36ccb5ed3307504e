"""What was found, as rows of text: for the terminal and for docs/performance.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.report import Report, Row, Section
from bench.spread import ratios
from bench.targets import TARGETS, Target

#: How each figure is called, and with how many digits it is shown.
FIGURES = {
    "per_second": ("per second", 0),
    "client_us": ("client, µs", 0),
    "broker_us": ("broker, µs", 0),
    "database_us": ("database, µs", 0),
    "all_us": ("all, µs", 0),
    "others_percent": ("others, %", 0),
    "pss_mib": ("PSS, MiB", 0),
    "rss_mib": ("RSS, MiB", 0),
    "p50_ms": ("p50, ms", 2),
    "p99_ms": ("p99, ms", 2),
    "p99.9_ms": ("p99.9, ms", 2),
    "seconds": ("seconds", 2),
    "client_cpu_seconds": ("its CPU, s", 2),
    "client_percent": ("client, %", 1),
    "broker_percent": ("broker, %", 1),
    "database_percent": ("database, %", 1),
    "up_seconds": ("up, s", 1),
    "up_again_seconds": ("up again, s", 1),
    "start_seconds": ("start, s", 1),
}
PARTS = ("reading", "checking", "handling", "committing", "telling", "acking", "rest")
FIGURES |= {f"{part}_us": (f"{part}, µs", 1) for part in PARTS}
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Lines:
    """A table: a title, its columns, its rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def targets(report: Report) -> Lines:
    """What had to be reached beside what was."""
    columns = ("", "target", "seen", "reached")
    return Lines("What it must reach", columns, [_target(each, report) for each in TARGETS])


def _target(target: Target, report: Report) -> Sequence[str]:
    ratio = target.seen(report)
    if ratio is None:
        return target.what, target.text, NOT_MEASURED, ""
    return target.what, target.text, f"{ratio.text()}x", "yes" if target.reached(ratio) else "NO"


def sections(report: Report) -> Iterator[Lines]:
    """Every axis."""
    for section in report.sections:
        figures = _figures(section)
        columns = ("", *(FIGURES[figure][0] for figure in figures), "ratio")
        yield Lines(section.title, columns, [_row(row, section, figures) for row in section.rows])


def _figures(section: Section) -> list[str]:
    found = next((row.figures for row in section.rows if row.rounds), [])
    return [section.figure, *(figure for figure in found if figure != section.figure)]


def _row(row: Row, section: Section, figures: Sequence[str]) -> Sequence[str]:
    if not row.rounds:
        return row.name, "failed" if row.failed else NOT_MEASURED, *[""] * len(figures)
    cells = []
    for figure in figures:
        spread = row.spread(figure)
        # The ends of the main figure say enough; of all of them they would hide the table.
        text = spread.text(FIGURES[figure][1]) if spread else ""
        cells.append(text if figure == section.figure else text.partition(" ")[0])
    ratio = ratios(row.rounds, section.rows[0].rounds, section.figure)
    return row.name, *cells, ratio.text() if ratio else ""


def failures(report: Report) -> list[str]:
    """Who failed, and why, in a line each."""
    return [
        f"{section.axis}: {row.name}: {' '.join(row.failed.split())[:300]}"
        for section in report.sections
        for row in section.rows
        if row.failed
    ]
