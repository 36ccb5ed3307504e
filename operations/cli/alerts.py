"""`millrace alerts`: what needs a person now."""

import click

from operations.cli.output import as_option, emit_json
from operations.connections import catalog, connections


@click.command("alerts")
@as_option
def command(as_json: bool) -> None:
    """Tell what needs a person and what to do about it; exit code 1 if anything does."""
    from operations.lasting import lasting_alerts  # noqa: PLC0415 (--help stays quick)
    from operations.situation import read_situation  # noqa: PLC0415

    known = catalog()
    where = connections()
    found = lasting_alerts(lambda: read_situation(where, known), known)
    if as_json:
        emit_json([alert.as_json() for alert in found])
    elif not found:
        click.echo("nothing needs a person")
    else:
        from operations.cli.output import show_table  # noqa: PLC0415

        show_table(("alert", "concerns", "what", "what to do"), [(a.kind, a.concerns, a.what, a.todo) for a in found])
    if found:
        raise click.exceptions.Exit(1)
