"""`millrace preview`: what `up` of a stack would make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from operations.cli.output import as_option, emit_json
from operations.connections import ROOT, catalog, connections

if TYPE_CHECKING:
    from infra.offline_engine.surveying import Part, Survey

VERBS = {"create": "+", "change": "~", "delete": "-", "stuck": "!"}
#: So many names of a kind are shown to people; `--json` has all.
SHOWN = 12


@click.command("preview")
@click.option("--stack", default="dev", show_default=True, help="NAME of Pulumi.NAME.yaml.")
@as_option
def command(stack: str, as_json: bool) -> None:
    """Run the Pulumi program with a stack's settings and show what `up` would make; nothing is touched.

    It is compared with each server that answers, else with the state of the last `up` here, else with nothing. Secrets
    that the file does not have in plain text have placeholders: what holds them shows as changed.
    """
    from infra.offline_engine.surveying import survey  # noqa: PLC0415 (Pulumi takes a second)

    where = connections()
    noted = where.stack if where.stack.get("stack") == stack else {}
    found = survey(stack, state_dir=where.directory / "state", catalog=catalog(), root=ROOT, more=_running(noted))
    report = report_of(stack, found)
    if as_json:
        emit_json(report)
    else:
        show(report)


def _running(noted: Any) -> dict[str, str]:
    """Where the local stack is, while it runs: its ports and login are its own."""
    if not noted:
        return {}
    login = {"username": noted["admin"]["user"], "password": noted["admin"]["password"]}
    aws = {"awsEndpoint": noted["aws"]["endpoint"]} if "endpoint" in noted["aws"] else {}
    return {"endpoint": noted["management"], **login, **aws}


def report_of(stack: str, found: Survey) -> dict[str, Any]:
    """What would be done, as plain data."""
    return {
        "stack": stack,
        "placeholders": list(found.placeholders),
        "servers": {part.where.value: _part(part) for part in found.parts},
    }


def _part(part: Part) -> dict[str, Any]:
    from infra.offline_engine.kind import Standing  # noqa: PLC0415 (as above)
    from infra.offline_engine.kinds import label, word  # noqa: PLC0415

    verbs = {Standing.ABSENT: "create", Standing.WRONG: "change", Standing.FIXED: "stuck", Standing.RIGHT: "unchanged"}
    kinds: dict[str, dict[str, Any]] = {}
    for verb, resource in [
        *((verbs[step.standing], step.resource) for step in part.work.steps),
        *(("delete", resource) for resource in part.work.removals),
    ]:
        of_kind = kinds.setdefault(word(resource).removesuffix(" of"), {name: [] for name in VERBS} | {"unchanged": 0})
        if verb == "unchanged":
            of_kind[verb] += 1
        else:
            of_kind[verb].append(label(resource).removeprefix(word(resource)).strip())
    return {"compared_with": part.compared_with, "problem": part.problem, "kinds": kinds}


def show(report: dict[str, Any]) -> None:
    """Print the report for people."""
    from operations.cli.output import show_table  # noqa: PLC0415

    for server, part in report["servers"].items():
        rows = [(kind, *_row(one)) for kind, one in part["kinds"].items()]
        show_table(
            ("kind", *VERBS, "unchanged", "names"), rows, title=f"{server}, compared with {part['compared_with']}"
        )
        if part["problem"]:
            click.echo(f"not compared with {server} itself: {part['problem']}")
        click.echo()
    if report["placeholders"]:
        click.echo(f"placeholders stand for the secrets {', '.join(report['placeholders'])}")
    kinds = [one for part in report["servers"].values() for one in part["kinds"].values()]
    counts = ", ".join(f"{sum(len(one[verb]) for one in kinds)} to {verb}" for verb in ("create", "change", "delete"))
    stuck = sum(len(one["stuck"]) for one in kinds)
    never = f", {stuck} that can never be changed" if stuck else ""
    click.echo(f"stack {report['stack']}: {counts}{never}, {sum(one['unchanged'] for one in kinds)} unchanged")


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    names = [f"{sign}{name}" for verb, sign in VERBS.items() for name in one[verb]]
    # What is deleted, or stuck, is never among those that are left out.
    names.sort(key=lambda name: name[0] not in (VERBS["delete"], VERBS["stuck"]))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return *(len(one[verb]) or None for verb in VERBS), one["unchanged"] or None, ", ".join(names[:SHOWN]) + more
