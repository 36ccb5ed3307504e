"""`millrace why`: what became of an event."""

from contextlib import closing
from typing import Any

import click

from operations.cli.output import as_option, emit_json
from operations.connections import catalog, connections


@click.command("why")
@click.argument("event_id", metavar="EVENT_ID")
@click.option("--source", help="The event's source, where several sources use the same id.")
@as_option
def command(event_id: str, source: str | None, as_json: bool) -> None:
    """Tell what became of an event, group by group.

    Where one word must do, the worst counts: dead-lettered, in flight, parked, discarded, processed; `not recorded` if
    only groups take it that keep no record of what ends well, `unknown` if nothing is known of the id.
    """
    from operations.cli.store import store_to_read  # noqa: PLC0415 (--help stays quick)
    from operations.function_outcomes import FunctionOutcomes  # noqa: PLC0415
    from operations.why import why  # noqa: PLC0415

    known, where = catalog(), connections()
    place = where.aws()
    with (
        store_to_read() as connection,
        closing(FunctionOutcomes(place, known, where.vhost if place else "")) as functions,
    ):
        report = why(connection, known, event_id, source, functions)
    if as_json:
        emit_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    from operations.cli.output import short, show_table  # noqa: PLC0415

    click.echo(f"{report['id']}  {report['type'] or ''}  {report['state']}")
    if report["state"] == "unknown":
        click.echo("nothing is known of this id (an event shows within a second of being published)")
        return
    if len(report["sources"]) > 1:
        click.echo(f"several sources use this id: {', '.join(report['sources'])} (--source picks one)")
    if report["groups"]:
        rows = [_row(name, group, short) for name, group in report["groups"].items()]
        show_table(("group", "outcome", "attempts", "when", "error"), rows)
    for letter in report["letters"]:
        if letter["state"] == "open":
            command_name = {"dead": "dead-letters", "parked": "parked", "rejected": "rejected"}[letter["kind"]]
            shown = f"{command_name} show {letter['id']}" if command_name != "parked" else "parked list"
            click.echo(f"{letter['kind']} letter {letter['id']} ({letter['cause']}): millrace {shown}")


def _row(name: str, group: dict[str, Any], short: Any) -> tuple[object, ...]:
    when = group.get("at")
    if group.get("retry_at"):
        when = f"retry at {group['retry_at']}"
    return name, group["outcome"], group["attempts"], when, short(group["error"] or "")
