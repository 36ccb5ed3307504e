"""`millrace scale`: how many workers groups have, and setting that by hand."""

from typing import TYPE_CHECKING, Any

import click
from millrace.declarations import Catalog, WorkerGroup

from operations.cli.output import as_option, emit_json
from operations.connections import NotRunning, catalog, connections

if TYPE_CHECKING:
    from operations.local.layout import Layout


@click.command("scale")
@click.argument("group", required=False)
@click.argument("number", metavar="[N|auto]", required=False)
@as_option
def command(group: str | None, number: str | None, as_json: bool) -> None:
    """Show how many workers groups of the local stack have, or set GROUP's number by hand until `auto`.

    With 0 none runs, and its events wait in their queue. In a cluster, KEDA scales.
    """
    from operations.local.layout import Layout  # noqa: PLC0415 (--help stays quick)
    from operations.local.numbers import set_by_hand  # noqa: PLC0415

    known, layout = catalog(), Layout(connections().directory)
    if not layout.processes.exists():
        raise NotRunning("no local stack runs here: `millrace up` starts one")
    if group is not None:
        declared = _declared(known, group)
        if number is not None:
            count = _count(declared, number)
            set_by_hand(layout, group, count)
            meant = "by the formula again" if count is None else f"{count}, until `millrace scale {group} auto`"
            click.echo(f"workers of {group}: {meant}", err=as_json)
        known = Catalog(events=known.events, groups=[declared])
    if as_json:
        emit_json(scaled(known, layout))
    elif number is None:
        _show(scaled(known, layout))


def scaled(known: Catalog, layout: "Layout") -> dict[str, dict[str, Any]]:
    """Each group's workers: those that run, the number to have, the formula's, and the bounds."""
    from operations.local.numbers import read_numbers  # noqa: PLC0415
    from operations.situation import read_processes  # noqa: PLC0415
    from operations.status import running  # noqa: PLC0415

    numbers, processes = read_numbers(layout), read_processes(layout.root, known) or []
    found: dict[str, dict[str, Any]] = {}
    for group in known.groups:
        said = numbers.get(group.name)
        found[group.name] = {
            "replicas": running(processes, group.name),
            "number": said.number if said else None,
            "wanted": said.wanted if said else None,
            "by_hand": said.by_hand if said else False,
            "smallest": group.replicas[0],
            "largest": group.replicas[1],
        }
    return found


def _declared(known: Catalog, name: str) -> WorkerGroup:
    try:
        return known.group(name)
    except KeyError:
        there = ", ".join(group.name for group in known.groups)
        raise click.UsageError(f"the catalog has no group {name!r}; there are {there}") from None


def _count(group: WorkerGroup, text: str) -> int | None:
    largest = group.replicas[1]
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) > largest:
        raise click.UsageError(f"the number must be auto, or 0 to {largest} (the catalog's most), got {text!r}")
    return int(text)


def _show(report: dict[str, dict[str, Any]]) -> None:
    from operations.cli.output import show_table  # noqa: PLC0415

    columns = ("replicas", "number", "wanted", "by_hand", "smallest", "largest")
    rows = [(name, *(group[column] for column in columns)) for name, group in report.items()]
    show_table(("group", *(column.replace("_", " ") for column in columns)), rows)
