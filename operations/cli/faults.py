"""`millrace faults`: break a scratch stack in every way, and count what was lost or doubled."""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from operations.cli.output import as_option, emit_json, show_table

#: What the suite runs by itself.
CATALOG = "operations.faults.sample:CATALOG"
HANDLERS = "operations.faults.sample_handlers"


@click.command("faults")
@click.option("--events", type=click.IntRange(min=50), default=1_000, show_default=True, help="Events per fault.")
@click.option("--seed", type=int, help="Repeats a run; by default a new one is drawn and printed.")
@click.option("--full", is_flag=True, help="Every fault, not only the dozen of `make faults`.")
@click.option("--only", multiple=True, metavar="WORD", help="Only what has this word in its name; repeatable.")
@click.option("--database", type=click.Choice(["postgresql", "sqlite"]), default="postgresql", show_default=True)
@click.option(
    "--server", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Another rabbitmq-server to run."
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the whole report here, as JSON.")
@as_option
def command(
    events: int,
    seed: int | None,
    full: bool,
    only: Sequence[str],
    database: str,
    server: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Run the fault suite on a scratch stack of its own: faults, crash points, and each guard switched off once.

    Nothing of yours is touched. Exit code 1 if anything was lost or doubled, or if a guard that was off was not missed.
    """
    from operations.faults.report import rows, whole_report  # noqa: PLC0415 (--help stays quick)
    from operations.faults.sample import CATALOG as catalog  # noqa: PLC0415
    from operations.faults.suite import Line, Sizes, run_all, steps  # noqa: PLC0415
    from operations.faults.world import running_world  # noqa: PLC0415

    chosen_seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    began = time.monotonic()
    say = _said(began)
    settings = {"MILLRACE_CATALOG": CATALOG, "MILLRACE_HANDLERS": HANDLERS}
    lines: list[Line] = []
    with running_world(catalog, say, settings=settings, database=database, server=server) as world:
        chosen = steps(Sizes(faults=events), chosen_seed, full=full, only=only, world=world)
        say(f"{len(chosen)} scenarios, seed {chosen_seed}")
        for line in run_all(
            world,
            chosen,
            lambda name: say(f"{len(lines) + 1}/{len(chosen)} {name}{_left(began, len(lines), len(chosen))}"),
        ):
            lines.append(line)
            if not line.good:
                say(f"    NOT GOOD: {line.outcome.verdict.counts() or 'no line is red'}")
        whole = whole_report(lines, world, seed=chosen_seed, seconds=time.monotonic() - began)
    if report:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(whole, indent=1))
    _show(whole, rows(lines), as_json=as_json)
    if not all(line.good for line in lines):
        click.echo(f"repeat it with: millrace faults --seed {chosen_seed}", err=True)
        raise click.exceptions.Exit(1)


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
