"""`millrace status`: what waits where, and who works."""

from typing import Any

import click

from operations.cli.output import as_option, emit_json
from operations.connections import catalog, connections


@click.command("status")
@as_option
def command(as_json: bool) -> None:
    """Show queues, worker processes, letters and the relay of the stack."""
    from operations.situation import read_situation  # noqa: PLC0415 (--help stays quick)
    from operations.status import status  # noqa: PLC0415

    known, where = catalog(), connections()
    report = status(read_situation(where, known), known, where.vhost)
    if as_json:
        emit_json(report)
    else:
        show(report)


def show(report: dict[str, Any]) -> None:
    """Print the report for people."""
    from operations.cli.output import show_table  # noqa: PLC0415

    columns = (
        *("ready", "unacknowledged", "consumers", "replicas", "wanted"),
        *("processed", "retrying", "discarded", "dead_letters"),
    )
    titles = ("group", *(column.replace("_", " ") for column in columns))
    show_table(titles, [(name, *(group[column] for column in columns)) for name, group in report["groups"].items()])
    for name, group in report["groups"].items():
        if group["scaled_by_hand"] is not None:
            click.echo(f"workers of {name}: {group['scaled_by_hand']} by hand, until `millrace scale {name} auto`")
    if report["aws"]:
        _show_aws(report["aws"])
    relay = report["relay"]
    lag = f", the oldest for {relay['lag_seconds']:.0f} s" if relay["unpublished"] else ""
    click.echo(f"parked {report['parked']}   rejected {report['rejected']}   in the outbox {relay['unpublished']}{lag}")
    for key in relay["stopped_keys"]:
        click.echo(f"stopped in the outbox: {key['key']}, {key['waiting']} events: {key['error']}")
    ill = [f"{name} {one['state']}" for name, one in report["processes"].items() if one["state"] != "running"]
    if ill:
        click.echo(f"not running: {', '.join(ill)} (`millrace logs NAME` says why)")
    flower = report["flower"]
    if flower:
        click.echo(f"Flower {flower['url']}   user {flower['user']}   password {flower['password']}")


def _show_aws(aws: dict[str, Any]) -> None:
    from operations.cli.output import show_table  # noqa: PLC0415

    if aws["problem"]:
        click.echo(f"AWS: {aws['problem']}")
        return
    columns = ("at_broker", "ready", "in_flight", "dead", "dead_letters")
    rows = [
        (f"in: {type_}", *(numbers.get(column, "") for column in columns)) for type_, numbers in aws["ingress"].items()
    ]
    rows += [(name, *(numbers[column] for column in columns)) for name, numbers in aws["functions"].items()]
    show_table(("at AWS", *(column.replace("_", " ") for column in columns)), rows)
    click.echo(f"to be forwarded {aws['outward']}")
