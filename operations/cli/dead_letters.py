"""`millrace dead-letters`: look at what could not be handled, replay it, or let it go."""

from collections.abc import Callable
from typing import Any

import click

from operations.cli.output import as_option
from operations.letter_list import Selection

KIND = "dead"


@click.group("dead-letters")
def command() -> None:
    """Events that could not be handled, with cause, attempts and bytes."""


@command.command("list")
@click.option("--group", help="Only this group's.")
@click.option("--type", "type_", help="Only this event type.")
@click.option("--state", default="open", show_default=True, help="open, replayed, discarded or all.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; by default 100, with --json all.")
@as_option
def list_command(group: str | None, type_: str | None, state: str, limit: int | None, as_json: bool) -> None:
    """List dead letters, oldest first."""
    from operations.cli.letters import print_list  # noqa: PLC0415

    chosen = None if state == "all" else state
    print_list(Selection(kind=KIND, group=group, type=type_, state=chosen), limit, as_json)


@command.command("show")
@click.argument("letter_id", type=int)
@as_option
def show_command(letter_id: int, as_json: bool) -> None:
    """Show one dead letter: reason, stack, headers and bytes."""
    from operations.cli.letters import print_letter  # noqa: PLC0415

    print_letter(KIND, letter_id, as_json)


def _choice(function: Any) -> Any:
    options = [
        click.argument("ids", nargs=-1, type=int),
        click.option("--all", "everything", is_flag=True, help="All open ones."),
        click.option("--group", help="Only this group's."),
        click.option("--type", "type_", help="Only this event type."),
        click.option("--dry-run", is_flag=True, help="Only say which ones."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        as_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command.command("replay")
@_choice
def replay_command(*, yes: bool, **chosen: Any) -> None:  # noqa: ARG001 (replaying asks nothing)
    """Hand dead letters to their group again; each once, however often this is called.

    A letter older than the retention is refused, the others are replayed; exit code 1 then.
    """
    from workers.letters import not_replayable, replay  # noqa: PLC0415

    refused: dict[int, str] = {}

    def replay_the_others(connection: Any, ids: list[int]) -> int:
        here = not_replayable(connection, ids)
        refused.update(here)
        return replay(connection, [id_ for id_ in ids if id_ not in here])

    _change(replay_the_others, "replayed", ask=False, **chosen)
    for reason in refused.values():
        click.echo(f"millrace: not replayed: {reason}", err=True)
    if refused:
        raise click.exceptions.Exit(1)


@command.command("discard")
@_choice
def discard_command(*, yes: bool, **chosen: Any) -> None:
    """Close dead letters without replaying them; their bytes stay for the retention's time."""
    from workers.letters import discard  # noqa: PLC0415

    _change(discard, "discarded", ask=not yes, **chosen)


def _change(
    act: Callable[..., int],
    done: str,
    *,
    ids: tuple[int, ...],
    everything: bool,
    group: str | None,
    type_: str | None,
    dry_run: bool,
    ask: bool,
    as_json: bool,
) -> None:
    from operations.cli.letters import change, require_choice  # noqa: PLC0415

    selection = Selection(kind=KIND, group=group, type=type_, ids=ids)
    require_choice(ids, everything, selection)
    change(selection, act, done, dry_run=dry_run, ask=ask, as_json=as_json)
