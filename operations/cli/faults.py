"""`millrace faults`: break a scratch stack in every way, and count what was lost or doubled."""

import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from millrace.declarations import Catalog

from operations.cli.output import as_option, emit_json, show_table

if TYPE_CHECKING:
    from operations.faults.scenario import Subject

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
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the whole report here, as JSON.")
@as_option
def command(
    events: int,
    seed: int | None,
    full: bool,
    only: Sequence[str],
    cluster: bool,
    own: bool,
    samples: Path | None,
    count: str | None,
    database: str,
    server: Path | None,
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
    from operations.faults import cluster_faults  # noqa: PLC0415 (--help stays quick)
    from operations.faults.cluster_world import running_cluster  # noqa: PLC0415
    from operations.faults.ending import ended_by_signals  # noqa: PLC0415
    from operations.faults.report import rows, whole_report  # noqa: PLC0415
    from operations.faults.suite import Choice, Line, Sizes, run_all  # noqa: PLC0415
    from operations.faults.world import running_world  # noqa: PLC0415

    catalog, settings, subject = _subject(own, samples, count)
    drawn = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    began = time.monotonic()
    say = _said(began)
    lines: list[Line] = []
    scratch = running_cluster if cluster else running_world
    with (
        ended_by_signals(),
        scratch(catalog, say, settings=settings, database=database, server=server) as world,
    ):
        if cluster:
            chosen = cluster_faults.steps(events=events, seed=drawn, only=only, subject=subject)
        else:
            chosen = Choice(sizes=Sizes(faults=events), seed=drawn, full=full, only=only, own=subject).steps(world)
        if not chosen:
            raise click.UsageError("--only must have a word of a scenario's name, got none; some come with --full only")
        say(f"{len(chosen)} scenarios, seed {drawn}")
        started = time.monotonic()

        def before(name: str) -> None:
            say(f"{len(lines) + 1}/{len(chosen)} {name}{_left(started, len(lines), len(chosen))}")

        for line in run_all(world, chosen, before):
            lines.append(line)
            if line.skipped:
                say(f"    skipped: {line.reason}")
            elif not line.good:
                red = line.outcome.verdict.counts() or "no line is red"
                say(f"    NOT GOOD: {red}, injected {line.outcome.injections} {line.crashes or ''}")
            whole = whole_report(lines, world, seed=drawn, seconds=time.monotonic() - began)
            if report:  # after each: what ends the run does not take with it what was seen
                report.parent.mkdir(parents=True, exist_ok=True)
                report.write_text(json.dumps(whole, indent=1))
    _show(whole, rows(lines), as_json=as_json)
    if all(line.skipped for line in lines):
        raise click.ClickException("nothing was judged: this machine can have none of the scenarios")
    if not all(line.good or line.skipped for line in lines):
        click.echo(f"repeat it with: --seed {drawn}", err=True)
        raise click.exceptions.Exit(1)


def _subject(own: bool, samples: Path | None, count: str | None) -> tuple[Catalog, Mapping[str, str], "Subject | None"]:
    """The catalog, what the processes are told of it, and, for your own, how it is loaded and judged."""
    if not own:
        from operations.faults.sample import CATALOG, SETTINGS  # noqa: PLC0415

        return CATALOG, SETTINGS, None
    from operations.connections import catalog  # noqa: PLC0415
    from operations.faults.own import SamplesError, own_subject, read_samples  # noqa: PLC0415

    known = catalog()
    try:
        found = read_samples(samples, known)
    except SamplesError as error:
        raise click.BadParameter(str(error), param_hint="--samples") from None
    return known, os.environ, own_subject(known, found, count)


def _said(began: float) -> Any:
    return lambda text: click.echo(f"{time.monotonic() - began:6.1f} s  {text}", err=True)


def _left(began: float, done: int, all_: int) -> str:
    if not done:
        return ""
    minutes = (time.monotonic() - began) / done * (all_ - done) / 60
    return f"  (about {minutes:.0f} min left)"


def _show(whole: dict[str, Any], table: Sequence[Sequence[object]], *, as_json: bool) -> None:
    if as_json:
        emit_json(whole)
        return
    show_table(("kind", "scenario", "events", "injected", "seconds", "recovery", "red", "good"), table)
    click.echo(whole["summary"])
