"""What the tables know about one event id, source by source."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, Select, and_, func, select

from workers.tables import accepted, inbox, letters, outbox

Row = Mapping[str, Any]

#: A younger event may still be in a queue.
SETTLED_SECONDS = 3600.0


@dataclass(kw_only=True)
class EventFacts:
    """Everything recorded about one event of one source; each list is ordered oldest first."""

    source: str | None
    inbox: list[Row] = field(default_factory=list)
    letters: list[Row] = field(default_factory=list)
    accepted: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)

    @property
    def type(self) -> str | None:
        """The event's type (or the alias it came by), if any row tells it."""
        rows = [*self.inbox, *self.accepted, *self.outbox, *self.letters]
        return next((str(row["type"]) for row in rows if row["type"]), None)


def event_facts(connection: Connection, event_id: str) -> list[EventFacts]:
    """All that is recorded about an event id, one entry per source."""
    inbox_query = select(inbox).where(inbox.c.event_id == event_id).order_by(inbox.c.first_seen_at)
    without_bytes = [column for column in letters.c if column.name not in ("body", "headers", "stack")]
    letters_query = select(*without_bytes).where(letters.c.event_id == event_id).order_by(letters.c.id)
    accepted_query = select(accepted).where(accepted.c.event_id == event_id)
    outbox_query = select(outbox).where(outbox.c.event_id == event_id).order_by(outbox.c.id)

    found: dict[str | None, EventFacts] = {}

    def of(source: str | None) -> EventFacts:
        return found.setdefault(source, EventFacts(source=source))

    for row in _rows(connection, inbox_query):
        of(row["source"]).inbox.append(row)
    for row in _rows(connection, accepted_query):
        of(row["source"]).accepted.append(row)
    for row in _rows(connection, letters_query):
        of(row["source"]).letters.append(row)
    for row in _rows(connection, outbox_query):
        of(_source_in(row["body"])).outbox.append(row)
    return list(found.values())


def precedes(connection: Connection, facts: EventFacts, group: str) -> bool:
    """Whether an event was accepted over an hour ago and before every event that the group has had.

    Queues keep their order: an event that waited for the group would have come to it first.
    """
    if not facts.accepted:
        return False
    same = and_(accepted.c.source == inbox.c.source, accepted.c.event_id == inbox.c.event_id)
    first = select(func.min(accepted.c.accepted_at)).join(inbox, same).where(inbox.c.group_name == group)
    earliest = connection.execute(first).scalar()
    accepted_at: float = facts.accepted[0]["accepted_at"]
    if earliest is None or accepted_at >= earliest:
        return False
    return accepted_at < connection.execute(select(store_now())).scalar_one() - SETTLED_SECONDS


def _rows(connection: Connection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _source_in(body: bytes) -> str | None:
    """The outbox keeps the source only inside the event."""
    try:
        source = json.loads(body)["source"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return source if isinstance(source, str) else None
