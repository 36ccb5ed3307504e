"""`millrace parked`: events of types that no group takes yet."""

from dataclasses import replace

import click

from operations.cli.output import as_option
from operations.connections import catalog
from operations.letter_list import Selection

KIND = "parked"


@click.group("parked")
def command() -> None:
    """Events of types that no group takes yet; they wait here for one."""


@command.command("list")
@click.option("--type", "type_", help="Only this event type.")
@click.option("--state", default="open", show_default=True, help="open, released, discarded or all.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; by default 100, with --json all.")
@as_option
def list_command(type_: str | None, state: str, limit: int | None, as_json: bool) -> None:
    """List parked events, oldest first."""
    from operations.cli.letters import print_list  # noqa: PLC0415

    print_list(Selection(kind=KIND, type=type_, state=None if state == "all" else state), limit, as_json)


@command.command("release")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All parked ones.")
@click.option("--type", "type_", help="Only this event type.")
@click.option("--dry-run", is_flag=True, help="Only say which ones.")
@as_option
def release_command(*, ids: tuple[int, ...], everything: bool, type_: str | None, dry_run: bool, as_json: bool) -> None:
    """Hand parked events to the groups that take their type by now, oldest first."""
    from operations.cli.letters import change, require_choice  # noqa: PLC0415
    from workers.letters import release  # noqa: PLC0415

    selection = Selection(kind=KIND, type=type_, ids=ids)
    require_choice(ids, everything, selection)
    for homeless in _without_group(selection):
        click.echo(f"millrace: {homeless} stays parked: no group takes it, add one to the catalog", err=True)
        selection = replace(selection, but_types=(*selection.but_types, homeless))
    change(selection, release, "released", dry_run=dry_run, ask=False, as_json=as_json)


def _without_group(selection: Selection) -> list[str]:
    """The types among the letters meant that still have no group."""
    from operations.cli.store import store_to_read  # noqa: PLC0415
    from operations.letter_list import types_of  # noqa: PLC0415

    known = catalog()
    with store_to_read() as connection:
        return [type_ for type_ in types_of(connection, selection) if not known.groups_for(type_)]
