"""`python -m bench.document REPORT`: writes the figures of a run into docs/performance.md, and its plot beside it."""

import json
import shutil
import sys
from pathlib import Path

from bench import tables
from bench.crew import ROOT
from bench.report import Report
from bench.tables import Lines
from operations.faults.document import write_figures

PAGE = ROOT / "docs" / "performance.md"
PLOT = PAGE.with_suffix(".png")


def figures(report: Report) -> str:
    """The tables of a report, as Markdown."""
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    parts = [f"{machine}; {versions}; {report.minutes:.0f} minutes.", *map(_table, _all(report))]
    failed = tables.failures(report)
    if failed:
        parts += ["### Failed, and left out", "\n".join(f"- {_in_short(line)}" for line in failed)]
    return "\n\n".join(parts)


def _in_short(failure: str) -> str:
    """Axis, row and error, without what processes said: a stack has paths of the machine in it."""
    return ": ".join(failure.split(": ")[:4])


def _all(report: Report) -> list[Lines]:
    return [tables.targets(report), *tables.sections(report)]


def _table(lines: Lines) -> str:
    rule = ["---", *["--:"] * (len(lines.columns) - 1)]
    rows = "\n".join(f"| {' | '.join(row)} |" for row in (lines.columns, rule, *lines.rows))
    return f"### {lines.title}\n\n{rows}"


def main(arguments: list[str]) -> int:
    """Replace the figures; 2 if no report is named."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m bench.document REPORT\n")
        return 2
    source = Path(arguments[0])
    write_figures(PAGE, figures(Report.from_json(json.loads(source.read_text()))))
    plot = source.with_suffix(".png")
    if plot.exists():
        shutil.copyfile(plot, PLOT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
