"""One declaration: what Pulumi makes, where Celery sends and what the documents say are the catalog's, to the row."""

import re
from pathlib import Path

from millrace import names
from millrace.catalog import CATALOG

from infra.offline_engine.recording import Recording
from workers.app import route

PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"
Pairs = set[tuple[str, str]]


def made(recorded: Recording) -> Pairs:
    """(event type, group) by the bindings that the Pulumi program declares."""
    bindings = [one.inputs for one in recorded.resources if one.type == "rabbitmq:index/binding:Binding"]
    types = {event.type for event in CATALOG.events}
    groups = {group.name for group in CATALOG.groups}
    return {
        (each["routingKey"], each["destination"])
        for each in bindings
        if each["source"] == names.EVENTS and each["routingKey"] in types and each["destination"] in groups
    }


def sent(recorded: Recording) -> Pairs:
    """(event type, group) that Celery's sender reaches: its route, followed over the declared bindings."""
    reached = made(recorded)
    through_the_door = {event.type for event in CATALOG.events if route(CATALOG, event.type) == (names.IN, event.type)}
    return {(type_, queue) for type_, queue in reached if type_ in through_the_door}


def documented() -> Pairs:
    """(event type, group) by the sections of the generated page."""
    found: Pairs = set()
    for section in PAGE.read_text().split("\n### ")[1:]:
        title = section.splitlines()[0].strip("`")
        line = re.search(r"^Taken by (.*)\.$", section, re.MULTILINE)
        found |= {(title, group) for group in re.findall(r"`([^`]+)`", line[1])} if line else set()
    return found


def declared() -> Pairs:
    """(event type, group) by the catalog itself."""
    return {(payload.event_type, group.name) for group in CATALOG.groups for payload in group.handles}


def test_infrastructure_routes_and_documents_are_the_catalog(recording: Recording) -> None:
    """Four readings of who gets what are one."""
    assert made(recording) == sent(recording) == documented() == declared()
    assert len(declared()) > len(CATALOG.groups)
