"""How commands show things: tables on a terminal, plain text off it, JSON on request."""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

#: Off a terminal lines are not bent to a window's width.
WIDE = 200


def emit_json(value: object) -> None:
    """Print one JSON value, readable and stable."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def console(*, stderr: bool = False) -> "Console":
    """A console of the terminal's width; no colours when it is none."""
    from rich.console import Console  # noqa: PLC0415 (not where JSON is asked for)

    stream = sys.stderr if stderr else sys.stdout
    width = shutil.get_terminal_size((WIDE, 50)).columns if stream.isatty() else WIDE
    return Console(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table; numbers are flush right, None is empty; text that is too wide is folded."""
    from rich.table import Table  # noqa: PLC0415

    found = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = bool(found) and all(isinstance(row[index], int | float | None) for row in found)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in found:
        table.add_row(*[shown(value) for value in row])
    console().print(table)


def shown(value: object) -> str:
    """A value in a table's cell: one line, control characters made visible."""
    if value is None:
        return ""
    text = (
        "yes" if value is True else "no" if value is False else f"{value:g}" if isinstance(value, float) else str(value)
    )
    return "".join(character if character.isprintable() else " " for character in text)


def short(text: object, length: int = 100) -> str:
    """The beginning of a long text."""
    line = shown(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def as_option(function: Any) -> Any:
    """The option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)
