"""Letters as people and scripts see them: dead, parked and rejected, from the table."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from workers.tables import letters

_LISTED = ("id", "kind", "state", "group_name", "type", "event_id", "source", "cause", "error", "attempts")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which letters are meant; what is None or empty does not narrow."""

    kind: str
    group: str | None = None
    type: str | None = None
    state: str | None = "open"
    ids: Sequence[int] = ()
    but_types: Sequence[str] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL conditions."""
        found = [letters.c.kind == self.kind]
        if self.group is not None:
            found.append(letters.c.group_name == self.group)
        if self.type is not None:
            found.append(letters.c.type == self.type)
        if self.state is not None:
            found.append(letters.c.state == self.state)
        if self.ids:
            found.append(letters.c.id.in_(self.ids))
        if self.but_types:
            found.append(letters.c.type.not_in(self.but_types))
        return found


def list_letters(connection: Connection, selection: Selection, limit: int | None = None) -> list[dict[str, Any]]:
    """The letters meant, oldest first, without their bytes."""
    columns = [letters.c[name] for name in (*_LISTED, "received_at", "closed_at")]
    query = select(*columns).where(*selection.conditions()).order_by(letters.c.id).limit(limit)
    return [_listed(row) for row in connection.execute(query).mappings()]


def types_of(connection: Connection, selection: Selection) -> list[str]:
    """The event types among the letters meant."""
    query = select(letters.c.type).where(*selection.conditions()).distinct()
    return sorted(type_ or "unknown" for type_ in connection.execute(query).scalars())


def count_letters(connection: Connection, selection: Selection) -> int:
    """How many letters are meant."""
    return connection.execute(select(func.count()).where(*selection.conditions())).scalar_one()


def letter_ids(connection: Connection, selection: Selection) -> list[int]:
    """The ids of the letters meant, oldest first."""
    return list(
        connection.execute(select(letters.c.id).where(*selection.conditions()).order_by(letters.c.id)).scalars()
    )


def show_letter(connection: Connection, kind: str, letter_id: int) -> dict[str, Any] | None:
    """Everything about one letter; its bytes as text where they are UTF-8, and in base64 always."""
    query = select(letters).where(letters.c.kind == kind, letters.c.id == letter_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    body = bytes(row["body"])
    more = {name: row[name] for name in ("stack", "worker", "traceparent", "content_type", "headers", "routing_key")}
    return {
        **_listed(row),
        **more,
        "generation": row["generation"],
        "bytes": len(body),
        "body": _text(body),
        "body_base64": base64.b64encode(body).decode(),
    }


def _listed(row: RowMapping) -> dict[str, Any]:
    found = {("group" if name == "group_name" else name): row[name] for name in _LISTED}
    return found | {"received_at": _time(row["received_at"]), "closed_at": _time(row["closed_at"])}


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
