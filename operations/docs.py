"""Writes docs/catalog.md from the catalog: `python -m operations.docs`; with --check only compares."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from millrace import aws_names, names
from millrace.aws_derived import function_timing
from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Event, LambdaGroup, Payload, Service, WorkerGroup
from millrace.derived import timing
from millrace.functions import Function

PAGE = Path(__file__).resolve().parents[1] / "docs" / "catalog.md"
#: Users are named after the stack's vhost; the page shows the development stack's.
EXAMPLE_VHOST = "millrace-dev"


def catalog_data(catalog: Catalog) -> dict[str, Any]:
    """The catalog as plain data (`millrace catalog --json`)."""
    return {
        "events": [_event(catalog, event) for event in catalog.events],
        "groups": [_group(group) for group in catalog.groups],
        "functions": [_function(function) for function in catalog.functions],
        "services": [{"name": service.name, "celery": service.celery} for service in catalog.services],
    }


def _event(catalog: Catalog, event: Event) -> dict[str, Any]:
    return {
        "type": event.type,
        "version": event.payload.schema_version,
        "dataschema": names.dataschema(event.type, event.payload.schema_version),
        "aliases": list(event.aliases),
        "may_wait": event.may_wait,
        "topic": aws_names.topic(EXAMPLE_VHOST, event) if event.public or event.forwarded else None,
        "public": event.public is not None,
        "groups": [group.name for group in catalog.groups_for(event.type)],
        "functions": [function.name for function in catalog.functions_for(event.type)],
        "schema": event.payload.model_json_schema(by_alias=False),
    }


def _group(group: WorkerGroup) -> dict[str, Any]:
    limits = timing(group)
    return {
        "name": group.name,
        "queue": names.group_queue(group.name),
        "dead_queue": names.dead_queue(group.name),
        "user": names.group_user(EXAMPLE_VHOST, group.name),
        "handles": [payload.event_type for payload in group.handles],
        "tasks": [payload.event_type for payload in group.tasks],
        "replicas": list(group.replicas),
        "attempts": group.retry.attempts,
        "longest_runtime_seconds": group.longest_runtime.total_seconds(),
        "hard_limit_seconds": limits.hard_limit,
        "lease_seconds": limits.lease,
        "grace_seconds": limits.grace,
        "cool_down_seconds": limits.cool_down,
        "usual_runtime_seconds": group.usual_runtime.total_seconds() if group.usual_runtime else None,
        "memory_mebibytes": group.memory,
    }


def _function(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        "kind": "group" if isinstance(function, LambdaGroup) else "plain",
        "handles": list(function.handled_types),
        "queue": aws_names.function_queue(EXAMPLE_VHOST, function.name),
        "dead_queue": names.dead_queue(function.name),
        "memory_mib": function.memory,
        "concurrency": function.concurrency,
    }


def page(catalog: Catalog) -> str:
    """The page in Markdown."""
    sections = [
        "# The catalog",
        "Generated from the declarations in `shared/millrace/` by `python -m operations.docs`; do not edit.",
        "## Events",
        *(_event_section(catalog, event) for event in catalog.events),
        "## Groups",
        *(_group_section(group) for group in catalog.groups),
        *(["## Functions"] if catalog.functions else []),
        *(_function_section(function) for function in catalog.functions),
        "## Services",
        _table(("service", "broker user", "may send"), [_service_row(service) for service in catalog.services]),
    ]
    return "\n\n".join(sections) + "\n"


def _event_section(catalog: Catalog, event: Event) -> str:
    takers = ", ".join(f"`{group.name}`" for group in catalog.groups_for(event.type))
    waits = "no group yet: it is parked" + (" (meant to wait)" if event.may_wait else "")
    aliases = f"Also called {', '.join(f'`{alias}`' for alias in event.aliases)}. " if event.aliases else ""
    schema = names.dataschema(event.type, event.payload.schema_version)
    return "\n\n".join(
        [
            f"### `{event.type}`",
            f"{_first_line(event.payload)} {aliases}Version {event.payload.schema_version} (`{schema}`).",
            f"Taken by {takers or waits}.",
            *_at_aws(catalog, event),
            _table(("field", "type", "required"), _field_rows(event.payload)),
        ]
    )


def _at_aws(catalog: Catalog, event: Event) -> Iterator[str]:
    if event.public or event.forwarded:
        way = "Others publish it to" if event.public else "Forwarded to"
        functions = ", ".join(f"`{function.name}`" for function in catalog.functions_for(event.type))
        yield f"{way} the SNS topic `{aws_names.topic('VHOST', event)}`. Functions that get it: {functions or 'none'}."


def _first_line(payload: type[Payload]) -> str:
    return (payload.__doc__ or "").strip().splitlines()[0]


def _field_rows(payload: type[Payload]) -> Iterator[tuple[str, str, str]]:
    schema = payload.model_json_schema(by_alias=False)
    for name, field in payload.model_fields.items():
        kind = _kind(schema["properties"][name])
        yield f"`{name}`", kind, "yes" if field.is_required() else "no"


def _kind(schema: dict[str, Any]) -> str:
    """A JSON Schema type in a word or two."""
    choices = [_kind(choice) for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    kind = " or ".join(choices) or str(schema.get("type", "any"))
    if "minLength" in schema or "maxLength" in schema:
        kind += f" of {schema.get('minLength', 0)} to {schema.get('maxLength', 'any number of')} characters"
    return kind


def _group_section(group: WorkerGroup) -> str:
    limits, retry = timing(group), group.retry
    rows = [
        ("handles", ", ".join(f"`{payload.event_type}`" for payload in group.handles)),
        ("own tasks", ", ".join(f"`{payload.event_type}`" for payload in group.tasks) or "none"),
        ("queue, dead-letter queue", f"`{names.group_queue(group.name)}`, `{names.dead_queue(group.name)}`"),
        ("broker user", f"`{names.group_user('VHOST', group.name)}`"),
        ("replicas", f"{group.replicas[0]} to {group.replicas[1]}, of {group.memory} MiB each"),
        ("attempts", f"{retry.attempts}, the first again after {_span(retry.delay.total_seconds())}"),
        ("back-off", f"times {retry.factor:g}, at most {_span(retry.longest_delay.total_seconds())}"),
        ("longest runtime", f"{_span(limits.soft_limit)}, killed after {_span(limits.hard_limit)}"),
        ("usual runtime", _span(group.usual_runtime.total_seconds()) if group.usual_runtime else "as the longest"),
        ("lease, grace", f"{_span(limits.lease)}, {_span(limits.grace)}"),
        ("cool-down", _span(limits.cool_down)),
    ]
    return f"### `{group.name}`\n\n" + _table(("", ""), rows)


def _function_section(function: Function) -> str:
    rows = [("handles", ", ".join(f"`{type_}`" for type_ in function.handled_types))]
    if isinstance(function, LambdaGroup):
        limits = function_timing(function)
        rows += [
            ("SQS queue, dead-letter queue", f"`{aws_names.function_queue('VHOST', function.name)}`, `-dead`"),
            ("attempts", f"{function.retry.attempts}"),
            ("events in a call", f"{limits.batch}, within {_span(limits.timeout)}"),
            ("longest runtime, lease", f"{_span(function.longest_runtime.total_seconds())}, {_span(limits.lease)}"),
        ]
    else:
        rows += [("plain function", f"`{function.handler}`"), ("time-out", _span(function.timeout.total_seconds()))]
    rows.append(("memory, copies at a time", f"{function.memory} MiB, {function.concurrency}"))
    return f"### `{function.name}`\n\n" + _table(("", ""), rows)


def _span(seconds: float) -> str:
    return f"{seconds:g} s"


def _service_row(service: Service) -> tuple[str, str, str]:
    allowed = "events, and Celery's own messages" if service.celery else "events"
    return f"`{service.name}`", f"`{names.service_user('VHOST', service.name)}`", allowed


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str]) -> int:
    """Write the page, or with --check tell by exit code 1 that it is out of date."""
    wanted = page(CATALOG)
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text() != wanted:
            sys.stderr.write("docs/catalog.md is out of date: run `python -m operations.docs`\n")
            return 1
        return 0
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
