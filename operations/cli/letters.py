"""What the lists of dead, parked and rejected letters have in common."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from operations.cli.output import emit_json, short, show_table
from operations.cli.store import store_to_change, store_to_read
from operations.letter_list import Selection, count_letters, letter_ids, list_letters, show_letter

#: What changes letters in the caller's transaction and returns how many it changed.
Change = Callable[[Any, list[int]], int]
CHUNK = 500
#: A person is shown so many unless asked otherwise; a script gets all.
SHOWN = 100


def print_list(selection: Selection, limit: int | None, as_json: bool) -> None:
    """Print the letters meant, oldest first."""
    with store_to_read() as connection:
        found = list_letters(connection, selection, limit or (None if as_json else SHOWN))
        total = count_letters(connection, selection)
    if as_json:
        emit_json(found)
        return
    if not found:
        click.echo("none")
        return
    columns = ("id", "group", "type", "event_id", "cause", "attempts", "received_at")
    used = [column for column in columns if any(letter[column] is not None for letter in found)]
    rows = [[*(letter[column] for column in used), short(letter["error"] or "", 80)] for letter in found]
    show_table([*used, "error"], rows)
    if total > len(found):
        click.echo(f"{len(found)} of {total} shown, oldest first; --limit shows more")


def print_letter(kind: str, letter_id: int, as_json: bool) -> None:
    """Print everything about one letter; exit code 1 if there is no such letter."""
    with store_to_read() as connection:
        found = show_letter(connection, kind, letter_id)
    if found is None:
        raise click.ClickException(f"there is no {kind} letter {letter_id}")
    if as_json:
        emit_json(found)
        return
    text = found["body"]
    for name, value in found.items():
        if value is not None and name not in ("body", "body_base64", "stack"):
            click.echo(f"{name + ':':16}{short(value, 500)}")
    if found["stack"]:
        click.echo(f"stack:\n{found['stack'].rstrip()}")
    shown = text if text is not None and text.isprintable() else f"{found['body_base64']} (base64)"
    click.echo(f"body:\n{shown}")


def require_choice(ids: Sequence[int], everything: bool, selection: Selection) -> None:
    """Refuse to act on letters that nobody chose."""
    if not (ids or everything or selection.group or selection.type):
        raise click.UsageError("which ones? Give ids, --group, --type or --all")
    if ids and everything:
        raise click.UsageError("give ids or --all, not both")


def change(selection: Selection, act: Change, done: str, *, dry_run: bool, ask: bool, as_json: bool) -> None:
    """Change the letters meant, in transactions of a few hundred; with --dry-run only say which ones."""
    with store_to_read() as connection:
        ids = letter_ids(connection, selection)
    missing = sorted(set(selection.ids) - set(ids))
    if missing:
        click.echo(f"millrace: not open (any more), or no such letter: {', '.join(map(str, missing))}", err=True)
    if dry_run:
        _say(as_json, ids, 0, f"{len(ids)} letters would be {done}: {short(ids, 400)}")
    else:
        if ids and ask:
            click.confirm(f"{len(ids)} letters will be {done}; go on? (--yes does not ask)", abort=True, err=True)
        changed = _in_chunks(ids, act)
        _say(as_json, ids, changed, f"{changed} letters {done}")
    if missing:
        raise click.exceptions.Exit(1)


def _in_chunks(ids: list[int], act: Change) -> int:
    from operations.cli.progress import steps  # noqa: PLC0415

    changed = 0
    with steps("letters", len(ids)) as advance:
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            with store_to_change() as connection:
                changed += act(connection, chunk)
            advance(len(chunk))
    return changed


def _say(as_json: bool, ids: list[int], changed: int, text: str) -> None:
    if as_json:
        emit_json({"matched": ids, "changed": changed})
    else:
        click.echo(text)
