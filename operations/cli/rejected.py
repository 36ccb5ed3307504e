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
@click.option("--limit", type=click.IntRange(1), help="At most so many; by default 100, with --json all.")
@as_option
def list_command(type_: str | None, limit: int | None, as_json: bool) -> None:
    """List rejected messages, oldest first."""
    from operations.cli.letters import print_list  # noqa: PLC0415

    print_list(Selection(kind=KIND, type=type_), limit, as_json)


@command.command("show")
@click.argument("letter_id", type=int)
@as_option
def show_command(letter_id: int, as_json: bool) -> None:
    """Show one rejected message: reason, headers and bytes."""
    from operations.cli.letters import print_letter  # noqa: PLC0415

    print_letter(KIND, letter_id, as_json)
