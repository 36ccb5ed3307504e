"""`millrace rejected`: what was refused at a door."""

import click

from operations.cli.output import as_option
from operations.letter_list import Selection

KIND = "rejected"


@click.group("rejected")
def command() -> None:
    """What was refused at a door, with the reason and the bytes as they came."""


@command.command("list")
@click.option("--type", "type_", help="Only this event type.")
@click.option("--state", default="open", show_default=True, help="open, discarded or all.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; by default 100, with --json all.")
@as_option
def list_command(type_: str | None, state: str, limit: int | None, as_json: bool) -> None:
    """List rejected messages, oldest first."""
    from operations.cli.letters import print_list  # noqa: PLC0415

    print_list(Selection(kind=KIND, type=type_, state=None if state == "all" else state), limit, as_json)


@command.command("show")
@click.argument("letter_id", type=int)
@as_option
def show_command(letter_id: int, as_json: bool) -> None:
    """Show one rejected message: reason, headers and bytes."""
    from operations.cli.letters import print_letter  # noqa: PLC0415

    print_letter(KIND, letter_id, as_json)


@command.command("discard")
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All open ones.")
@click.option("--type", "type_", help="Only this event type.")
@click.option("--dry-run", is_flag=True, help="Only say which ones.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_option
def discard_command(
    *, ids: tuple[int, ...], everything: bool, type_: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Close rejected messages that were looked at; their bytes stay for the retention's time."""
    from operations.cli.letters import change, require_choice  # noqa: PLC0415
    from workers.letters import discard  # noqa: PLC0415

    selection = Selection(kind=KIND, type=type_, ids=ids)
    require_choice(ids, everything, selection)
    change(selection, discard, "discarded", dry_run=dry_run, ask=not yes, as_json=as_json)
