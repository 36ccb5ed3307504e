"""`python -m operations.faults.document REPORT`: writes the figures of a run into docs/faults.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def figures(report: dict[str, Any]) -> str:
    """The tables of a report, as Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    guarded = [one for one in report["scenarios"] if one["kind"] != "control"]
    controls = [one for one in report["scenarios"] if one["kind"] == "control"]
    lines = [f"{report['summary']}.", "", f"Seed {report['seed']}; {versions}.", ""]
    lines += ["| fault or crash point | events | injected | recovery, s | red |", "|---|--:|--:|--:|---|"]
    lines += [_fault(one) for one in guarded]
    lines += ["", "| guard that was off | fault | injected | must be red | was red |", "|---|---|--:|---|---|"]
    lines += [_control(one) for one in controls]
    return "\n".join(lines)


def _fault(one: dict[str, Any]) -> str:
    injected = " / ".join(str(count) for count in one["crashes"].values()) or str(one["injections"])
    if one["kind"] == "skipped":
        return f"| {one['name']} | | | | skipped: {one['reason']} |"
    recovery = "" if one["recovery"] is None else f"{one['recovery']:.1f}"
    tried = f" ({one['reason']})" if one["reason"] else ""
    return f"| {one['name']} | {one['events']} | {injected} | {recovery} | {_red(one) or 'nothing'}{tried} |"


def _control(one: dict[str, Any]) -> str:
    expected = f"{one['expected']}{'' if one['good'] else ' (it was not)'}"
    return f"| {one['guard']} | {one['name']} | {one['injections']} | {expected} | {_red(one)} |"


def _red(one: dict[str, Any]) -> str:
    return ", ".join(f"{line} {count}" for line, count in one["counts"].items())


def main(arguments: list[str]) -> int:
    """Replace the figures; 2 if the report cannot be read."""
    if len(arguments) != 1:
        print("usage: python -m operations.faults.document REPORT", file=sys.stderr)  # noqa: T201
        return 2
    write_figures(PAGE, figures(json.loads(Path(arguments[0]).read_text())))
    return 0


def write_figures(page: Path, text: str) -> None:
    """Put text between the marks of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
