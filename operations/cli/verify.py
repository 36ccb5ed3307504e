"""`millrace verify`: the broker against the catalog."""

import click

from operations.cli.output import as_option, emit_json
from operations.connections import catalog, connections


@click.command("verify")
@as_option
def command(as_json: bool) -> None:
    """Compare queues, policies, bindings, exchanges and users at the broker with the catalog.

    Exit code 1 and one line per difference if they do not agree.
    """
    from operations.verify import verify  # noqa: PLC0415 (--help stays quick)

    where = connections()
    verdict = verify(where.admin_url(), where.vhost, catalog())
    if as_json:
        emit_json(
            {
                "agrees": verdict.agrees,
                "differences": verdict.differences,
                "extras": verdict.extras,
                "users_checked": verdict.users_seen,
            }
        )
    else:
        for line in (*verdict.differences, *verdict.extras):
            click.echo(line)
        if not verdict.users_seen:
            click.echo("users were not looked at: that needs an administrator of the broker", err=True)
        if verdict.agrees:
            click.echo("the broker agrees with the catalog")
        else:
            click.echo("`millrace up` puts back what is missing; what it cannot change it says", err=True)
    if not verdict.agrees:
        raise click.exceptions.Exit(1)
