"""`millrace package`."""

from __future__ import annotations

from pathlib import Path

import click

from operations.connections import catalog
from operations.local.layout import REPOSITORY
from operations.packaging import build, packages_of, require_pairing

DIRECTORY = REPOSITORY / "build" / "lambda"


@click.command("package")
@click.option("--here", is_flag=True, help="Without libraries, for this machine's own Python.")
@click.option(
    "--directory", type=click.Path(path_type=Path), default=DIRECTORY, help="Where to; build/lambda if not given."
)
def command(here: bool, directory: Path) -> None:
    """Build the zips that the catalog's functions are deployed as.

    Refuses a group whose handlers need more than its inbox promises.
    """
    known = catalog()
    require_pairing(known)
    for package in packages_of(known, libraries=not here):
        target = build(package, directory, directory / "libraries")
        click.echo(f"{target} ({target.stat().st_size / 1e6:.1f} MB)")
