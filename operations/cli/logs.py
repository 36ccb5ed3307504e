"""`millrace logs`: the log files of the local stack."""

import time
from pathlib import Path
from typing import IO

import click

from operations.connections import NotRunning, catalog, connections

FOLLOW_SECONDS = 0.2
TAIL_BYTES = 1024 * 1024


@click.command("logs")
@click.argument("name", metavar="GROUP")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come; Ctrl-C ends it.")
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(0), help="So many last lines.")
def command(name: str, follow: bool, lines: int) -> None:
    """Print the log of GROUP's first worker, of another (worker-GROUP.2), or of another local process (relay, ...)."""
    path = _log_of(name)
    with path.open("rb") as log:
        _print_last(log, lines)
        while follow:
            line = log.readline()
            if line:
                click.echo(line, nl=False)
            elif path.exists() and path.stat().st_size < log.tell():
                log.seek(0)
            else:
                time.sleep(FOLLOW_SECONDS)


def _log_of(name: str) -> Path:
    directory = connections().directory / "logs"
    for candidate in (name, f"worker-{name}"):
        path = directory / f"{candidate}.log"
        if path.parent == directory and path.is_file():
            return path
    there = sorted(path.stem for path in directory.glob("*.log"))
    if not there:
        raise NotRunning("there are no logs here yet: run `make up`")
    if any(group.name == name for group in catalog().groups):
        raise NotRunning(f"group {name} has no log yet: `millrace up` starts its worker")
    raise click.UsageError(f"there is no log of {name!r}; there are {', '.join(there)}")


def _print_last(log: IO[bytes], lines: int) -> None:
    size = log.seek(0, 2)
    log.seek(max(0, size - TAIL_BYTES))
    last = log.read().splitlines(keepends=True)[-lines:] if lines else []
    for line in last:
        click.echo(line, nl=False)
