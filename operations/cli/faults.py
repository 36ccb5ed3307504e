"""`millrace faults`: break a scratch stack in every way, and count what was lost or doubled."""

import json
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from operations.cli.output import as_option, emit_json, show_table

if TYPE_CHECKING:
    from operations.faults.run import Progress
    from operations.faults.suite import Line

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("faults")
@click.option("--events", type=click.IntRange(min=50), default=1_000, show_default=True, help="Events per fault.")
@click.option("--seed", type=int, help="Repeats a run; by default a new one is drawn and printed.")
@click.option("--full", is_flag=True, help="Every fault, not only the dozen of `make faults`.")
@click.option("--only", multiple=True, metavar="WORD", help="Only what has this word in its name; repeatable.")
@click.option("--cluster", is_flag=True, help="Instead: three RabbitMQ nodes, cut off or killed.")
@click.option("--own", is_flag=True, help="Your catalog and handlers instead of the suite's own.")
@click.option("--samples", type=FILE, help='With --own: events to publish, {"type": ..., "data": {...}} a line.')
@click.option("--count", metavar="SQL", help="With --own: a query of (subject, count); a count above 1 is a double.")
@click.option("--database", type=click.Choice(["postgresql", "sqlite"]), default="postgresql", show_default=True)
@click.option("--server", type=FILE, help="Another rabbitmq-server to run.")
@click.option("--again", is_flag=True, help="A second try for what died, or was not judged, with nothing lost.")
@click.option("--jobs", type=click.IntRange(1, 8), default=1, show_default=True, help="Stacks to break at once.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the whole report here, as JSON.")
@as_option
def command(
    events: int,
    seed: int | None,
    full: bool,
    only: Sequence[str],
    again: bool,
    cluster: bool,
    own: bool,
    samples: Path | None,
    count: str | None,
    database: str,
    server: Path | None,
    jobs: int,
    report: Path | None,
    as_json: bool,
) -> None:
    """Run the fault suite on a scratch stack: faults, crash points, and each guard switched off once.

    It has a broker and a database of its own, nothing of yours is touched. Exit code 1 if anything was lost or doubled,
    or if a guard that was off was not missed. In the strings of samples {n} becomes a text that no other event has.
    """
    if (samples or count) and not own:
        raise click.UsageError("--samples and --count go with --own")
    if cluster and full:
        raise click.UsageError("--cluster runs every fault of the cluster as it is, leave --full out")
    from operations.faults.ending import ended_by_signals  # noqa: PLC0415 (--help stays quick)
    from operations.faults.own import SamplesError  # noqa: PLC0415
    from operations.faults.parallel import run_in_parts  # noqa: PLC0415
    from operations.faults.report import rows  # noqa: PLC0415
    from operations.faults.run import Run  # noqa: PLC0415

    run = Run(
        events=events,
        seed=random.SystemRandom().randrange(1_000_000) if seed is None else seed,
        full=full,
        only=only,
        again=again,
        cluster=cluster,
        own=own,
        samples=samples,
        count=count,
        database=database,
        server=server,
    )
    try:
        run.subject()
    except SamplesError as error:
        raise click.BadParameter(str(error), param_hint="--samples") from None
    heard = _Heard(run.seed, report)
    with ended_by_signals():
        run_in_parts(run, jobs, heard)
    lines = heard.lines
    if not lines:
        raise click.UsageError("--only must have a word of a scenario's name, got none; some come with --full only")
    _show(heard.whole(), rows(lines), as_json=as_json)
    if all(line.skipped for line in lines):
        raise click.ClickException("nothing was judged: this machine can have none of the scenarios")
    if not all(line.good or line.skipped for line in lines):
        click.echo(f"repeat it with: --seed {run.seed}", err=True)
        raise click.exceptions.Exit(1)


class _Heard:
    """Shows on stderr what is heard of a run, and keeps its lines; each is written to the report as it comes."""

    def __init__(self, seed: int, report: Path | None) -> None:
        self.lines: list[Line] = []
        self._seed = seed
        self._report = report
        self._began = time.monotonic()
        self._planned = self._begun = 0
        self._versions: Mapping[str, str] = {}

    def __call__(self, told: "Progress") -> None:
        from operations.faults import run  # noqa: PLC0415 (--help stays quick)

        match told:
            case run.Said(text):
                self._say(text)
            case run.Planned(scenarios, versions):
                self._planned += scenarios
                self._versions = versions
                self._say(f"{scenarios} scenarios, seed {self._seed}")
            case run.Begun(name):
                self._begun += 1
                self._say(f"{self._begun}/{self._planned} {name}{self._left()}")
            case _:
                self._ended(told)

    def _ended(self, line: "Line") -> None:
        self.lines.append(line)
        if line.skipped:
            self._say(f"    {line.name} skipped: {line.reason}")
        elif not line.good:
            red = line.outcome.verdict.counts() or "no line is red"
            self._say(f"    {line.name} NOT GOOD: {red}, injected {line.outcome.injections} {line.crashes or ''}")
        if self._report:  # after each: what ends the run does not take with it what was seen
            self._report.parent.mkdir(parents=True, exist_ok=True)
            self._report.write_text(json.dumps(self.whole(), indent=1))

    def whole(self) -> dict[str, Any]:
        """The report so far."""
        from operations.faults.report import whole_report  # noqa: PLC0415 (--help stays quick)

        return whole_report(self.lines, self._versions, seed=self._seed, seconds=time.monotonic() - self._began)

    def _say(self, text: str) -> None:
        click.echo(f"{time.monotonic() - self._began:6.1f} s  {text}", err=True)

    def _left(self) -> str:
        done = len(self.lines)
        if not done:
            return ""
        minutes = (time.monotonic() - self._began) / done * (self._planned - done) / 60
        return f"  (about {minutes:.0f} min left)"


def _show(whole: dict[str, Any], table: Sequence[Sequence[object]], *, as_json: bool) -> None:
    if as_json:
        emit_json(whole)
        return
    show_table(("kind", "scenario", "events", "injected", "seconds", "recovery", "red", "good"), table)
    click.echo(whole["summary"])
