"""`millrace catalog`: events, groups and services."""

import click
from millrace.declarations import Catalog

from operations.cli.output import as_option, emit_json
from operations.connections import catalog


@click.command("catalog")
@as_option
def command(as_json: bool) -> None:
    """List events with the groups that take them, groups with their settings, and services."""
    known = catalog()
    if as_json:
        from operations.docs import catalog_data  # noqa: PLC0415

        emit_json(catalog_data(known))
    else:
        _show(known)


def _show(known: Catalog) -> None:
    from operations.cli.output import show_table  # noqa: PLC0415

    events = []
    for event in known.events:
        takers = ", ".join(group.name for group in known.groups_for(event.type)) or "none (parked)"
        fields = ", ".join(
            name if field.is_required() else f"[{name}]" for name, field in event.payload.model_fields.items()
        )
        events.append((event.type, event.payload.schema_version, fields, ", ".join(event.aliases), takers))
    show_table(("event", "version", "fields", "aliases", "taken by"), events)
    click.echo()
    groups = []
    for group in known.groups:
        took = ", ".join(payload.event_type for payload in (*group.handles, *group.tasks))
        low, high = group.replicas
        longest = f"{group.longest_runtime.total_seconds():g} s"
        groups.append((group.name, took, longest, group.retry.attempts, f"{low} to {high}"))
    show_table(("group", "handles", "longest runtime", "attempts", "replicas"), groups)
    click.echo(f"\nservices: {', '.join(service.name for service in known.services) or 'none'}")
