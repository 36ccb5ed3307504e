"""`millrace up`: the whole local stack."""

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
from millrace import names
from millrace.declarations import Catalog

from operations.connections import catalog

if TYPE_CHECKING:
    from operations.local.stack_record import StackRecord


@click.command("up")
@click.option("--samples", is_flag=True, help="Publish sample events and show what became of each (always at first).")
def command(samples: bool) -> None:
    """Bring up broker, topology, workers and Flower on this machine; a second time only what changed.

    MILLRACE_BROKER_URL and MILLRACE_DATABASE_URL make it use the broker and the database that you have.
    """
    from operations.local.layout import Layout  # noqa: PLC0415 (--help stays quick)
    from operations.local.stack import up  # noqa: PLC0415

    known = catalog()
    first = not Layout().root.exists()
    record = up(click.echo, catalog=known)
    if samples or first:
        _show_samples(known, record)
    flower = record.flower
    if "endpoint" in record.aws:
        click.echo(f"\nAWS      {record.aws['endpoint']}   account {record.aws['account']}   (LocalStack)")
    click.echo(f"\nFlower   {flower['url']}   user {flower['user']}   password {flower['password']}")
    click.echo("look     millrace status | alerts | why EVENT_ID | logs GROUP -f")
    click.echo("stop     make down")


def _show_samples(known: Catalog, record: "StackRecord") -> None:
    from operations.aws_place import aws_place  # noqa: PLC0415
    from operations.cli.output import show_table  # noqa: PLC0415
    from operations.function_outcomes import FunctionOutcomes  # noqa: PLC0415
    from operations.samples import run_samples  # noqa: PLC0415

    if not known.services:
        click.echo("no sample events: the catalog has no service to publish them as")
        return
    user = names.service_user(record.vhost, known.services[0].name)
    with closing(FunctionOutcomes(aws_place(record.aws, {}), known, record.vhost)) as functions:
        reports = run_samples(known, record.amqp_url(user), record.database_url, click.echo, functions)
    if reports:
        click.echo()
        show_table(("event", "id", "state", "per group"), [_row(report) for report in reports])
        click.echo(f"\nmore about one: millrace why {reports[0]['id']}")


def _row(report: dict[str, Any]) -> tuple[object, ...]:
    outcomes = [f"{name}: {group['outcome']}" for name, group in report["groups"].items()]
    return report["type"], report["id"], report["state"], ", ".join(outcomes) or "no group takes it yet"
