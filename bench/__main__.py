"""`python -m bench`: measure Millrace against its peers; see docs/performance.md."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from bench import axes, facts, tables
from bench.contenders import PEER_PYTHON
from bench.crew import ROOT
from bench.report import Report
from bench.running import Axis, run_all
from bench.servers import running_servers
from operations.cli.output import show_table
from operations.faults.ending import ended_by_signals

REPORT = Path(".local") / "bench" / "report.json"


@click.command()
@click.argument("chosen", metavar="[AXIS]...", nargs=-1)
@click.option("--quick", is_flag=True, help="The main ratios only, in less than four minutes.")
@click.option("--only", multiple=True, metavar="WORD", help="Only who has this word in the name; repeatable.")
@click.option("--rounds", type=click.IntRange(min=1), help="How often each is measured.")
@click.option("--keep", is_flag=True, help="Keep what the report says of other axes.")
@click.option("--report", "path", type=click.Path(dir_okay=False, path_type=Path), default=REPORT, show_default=True)
def main(
    chosen: tuple[str, ...], quick: bool, only: tuple[str, ...], rounds: int | None, keep: bool, path: Path
) -> None:
    """Measure along the axes that are named, or along all of them.

    Everything is measured on a broker, a PostgreSQL and a Redis of the run's own. Writes the report as JSON and, beside
    it, a plot. Axes: drain, tables, publish, latency, latency-half, flower, memory, profile, classic,
    scaling, payload, start, idle, catalog, backlog.
    """
    wanted = _choose(axes.quick() if quick else axes.everything(), chosen, only, rounds)
    began = time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {text}", err=True)

    with ended_by_signals(), running_servers() as servers:
        report = Report(machine=facts.machine(), versions=facts.versions(servers) | facts.peers())
        if keep and path.exists():
            kept = Report.from_json(json.loads(path.read_text()))
            report.take_over(kept, but={axis.name for axis in wanted})
        run_all(servers, wanted, report, say, lambda: _write(report, path))
    _show(report)
    plot = path.with_suffix(".png")
    subprocess.run([PEER_PYTHON, "-m", "bench.plot", str(path.resolve()), str(plot.resolve())], check=True, cwd=ROOT)  # noqa: S603
    click.echo(f"{report.minutes:.1f} minutes; {path}, {plot}")
    if all(not row.rounds for section in report.sections for row in section.rows):
        raise click.ClickException("nothing could be measured")


def _choose(all_: list[Axis], chosen: tuple[str, ...], only: tuple[str, ...], rounds: int | None) -> list[Axis]:
    known = [axis.name for axis in all_]
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise click.UsageError(f"an axis must be one of {', '.join(known)}, got {', '.join(unknown)}")
    found = []
    for axis in all_:
        cases = [case for case in axis.cases if not only or any(word in case.name for word in only)]
        if cases and (not chosen or axis.name in chosen):
            found.append(replace(axis, cases=cases, rounds=rounds or axis.rounds))
    if not found:
        raise click.UsageError("--only must have a word of a name, got none")
    return found


def _write(report: Report, path: Path) -> None:
    order = [axis.name for axis in axes.everything()]
    report.sections.sort(key=lambda section: order.index(section.axis))
    path.write_text(json.dumps(report.as_json(), indent=1) + "\n")


def _show(report: Report) -> None:
    for lines in (*tables.sections(report), tables.targets(report)):
        show_table(lines.columns, lines.rows, title=f"\n{lines.title}")
    for line in tables.failures(report):
        click.echo(f"failed: {line}")


if __name__ == "__main__":
    sys.exit(main())
