"""How the reconciliation is shown: what does not add up as it is found, then the totals."""

import json
from itertools import chain
from typing import Any

import click

from operations.accepted_log import AcceptedLog
from operations.cli.output import short, show_table
from operations.reconciliation import UNACCOUNTED, Reconciliation, Totals
from operations.reconciliation_queries import IN_FLIGHT
from operations.why import NOT_ADDRESSED, NOT_RECORDED

#: The words of `why`, best first, and what is left over; each row adds up to what was accepted for the group.
COLUMNS = ("processed", "discarded", "dead-lettered", IN_FLIGHT, "parked", NOT_ADDRESSED, NOT_RECORDED, UNACCOUNTED)


def show(comparison: Reconciliation, log: AcceptedLog | None = None) -> bool:
    """For people: a line for each event that does not add up, a table, a verdict; whether all adds up."""
    unindexed = 0
    for finding in log.findings() if log else ():
        unindexed += 1
        click.echo(_line(finding))
    for finding in comparison.findings():
        click.echo(_line(finding))
    totals = comparison.totals
    found = _rows(totals)
    columns = [name for name in COLUMNS if name != NOT_RECORDED or any(row[name] for _, row in found)]
    rows = [(group or "(no group)", sum(row.values()), *(row[name] for name in columns)) for group, row in found]
    show_table(("group", "accepted", *columns), rows)
    if log:
        click.echo(f"{log.messages} messages in the log, {unindexed} events of them not in the index")
    missing = totals.unaccounted + unindexed
    if missing:
        click.echo(f"{missing} do not add up, of {totals.accepted} accepted events; `millrace why ID` shows one")
    else:
        click.echo(f"all adds up: {totals.accepted} accepted events")
    return not missing


def show_json(comparison: Reconciliation, log: AcceptedLog | None = None) -> bool:
    """For scripts: one JSON object, written as it is found, so that it may be long; whether all adds up."""
    click.echo('{\n  "unaccounted": [', nl=False)
    count = 0
    for finding in chain(log.findings() if log else (), comparison.findings()):
        click.echo((",\n    " if count else "\n    ") + json.dumps(finding, ensure_ascii=False), nl=False)
        count += 1
    totals = comparison.totals
    groups = {
        group or "": {"accepted": sum(row.values()), **{name: row[name] for name in COLUMNS}}
        for group, row in _rows(totals)
    }
    found = {"accepted": totals.accepted, "groups": groups, "log": log and log.messages, "adds_up": not count}
    click.echo("\n  ],\n" + json.dumps(found, indent=2)[2:])
    return not count


def _rows(totals: Totals) -> list[tuple[str | None, Any]]:
    known = set(COLUMNS)
    for row in totals.groups.values():
        if unknown := {name for name, count in row.items() if count} - known:
            raise AssertionError(f"outcomes must be one of {', '.join(COLUMNS)}, got {', '.join(sorted(unknown))}")
    return list(totals.groups.items())


def _line(finding: dict[str, Any]) -> str:
    what = f"{short(finding['event_id'], 300)} ({finding['type']}, from {short(finding['source'])})"
    where = f"in {finding['group']}" if finding["group"] else "taken by no group"
    if finding["age_seconds"] is None:
        return f"{what}: {finding['reason']}"
    known = f", {finding['state']} after {finding['attempts']} attempts" if finding["state"] else ""
    error = f": {short(finding['error'])}" if finding["error"] else ""
    return f"{what} {where}, accepted {_age(finding['age_seconds'])} ago{known}: {finding['reason']}{error}"


def _age(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
