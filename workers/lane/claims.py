"""The claims of a whole batch, with their outcomes, in one statement."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import pydantic_core
from millrace.publishing.store_clock import store_now
from sqlalchemy import (
    JSON,
    Dialect,
    Double,
    Insert,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    select,
    true,
)
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import TypeEngine

from workers.database import insert_into
from workers.stores.store import Outcome
from workers.tables import inbox
from workers.verdicts import Claim

#: What differs from event to event; on its way it is one text in JSON, which costs a fifth of an array for each.
_EACH: dict[str, TypeEngine[Any]] = {
    **dict.fromkeys(("source", "event_id", "type", "fingerprint", "state"), Text()),
    "milliseconds": Double(),
    **dict.fromkeys(("error", "traceparent"), Text()),
}


def claim_parameters(ended: Iterable[tuple[Claim, Outcome]]) -> dict[str, Any]:
    """The parameters of `claim_all` for first attempts that have ended, all of one group and worker."""
    rows = []
    for held, outcome in ended:
        asked, event = held.request, held.request.envelope
        rows.append(
            {
                "source": event.source,
                "event_id": event.id,
                "type": event.type,
                "fingerprint": asked.fingerprint,
                "state": outcome.state,
                "milliseconds": outcome.milliseconds,
                "error": outcome.error,
                "traceparent": event.traceparent,
            }
        )
    # Two workers that claim the same events then wait for each other in one order.
    rows.sort(key=itemgetter("source", "event_id"))
    common = {"group_name": asked.group, "owner": asked.owner}
    return {**common, "rows": pydantic_core.to_json(rows).decode()}


def claim_all(dialect: Dialect) -> Insert:
    """Records first attempts with their outcomes, and returns source and id of those that nobody had claimed."""
    each, cell = _postgres_rows() if dialect.name == "postgresql" else _sqlite_rows()
    now = store_now()
    values: dict[str, Any] = {
        **{name: cell[name] for name in _EACH},
        "group_name": bindparam("group_name", type_=Text()),
        "owner": bindparam("owner", type_=Text()),
        "attempts": 1,
        "generation": 0,
        "fence": 1,
        "due_at": now,
        "first_seen_at": now,
        "updated_at": now,
    }
    chosen = [value if hasattr(value, "type") else bindparam(None, value) for value in values.values()]
    rows = select(*chosen).select_from(each).where(true())
    adding = insert_into(dialect, inbox).from_select(list(values), rows)
    return adding.on_conflict_do_nothing().returning(inbox.c.source, inbox.c.event_id)


def claim_all_or_fail(dialect: Dialect) -> Select[int]:
    """The same for PostgreSQL, as a statement that fails unless nobody had claimed any of the `events` (their number).

    For who sends the commit with it, and cannot look at what is returned. The error is invalid_text_representation,
    and says how many were free.
    """
    claimed = claim_all(dialect).cte("claimed")
    free = select(func.count()).select_from(claimed).scalar_subquery()
    expected = bindparam("events", type_=Integer())
    refusal = func.concat(free, " of ", expected, " events are new")  # not a constant: that would always be evaluated
    return select(case((free == expected, free), else_=cast(refusal, Integer)))


def _postgres_rows() -> tuple[FromClause, dict[str, ColumnElement[Any]]]:
    rows = cast(bindparam("rows", type_=Text()), JSON)
    columns = [column(name, type_) for name, type_ in _EACH.items()]
    each = func.json_to_recordset(rows).table_valued(*columns, name="each").render_derived(with_types=True)
    return each, {name: each.c[name] for name in _EACH}


def _sqlite_rows() -> tuple[FromClause, dict[str, ColumnElement[Any]]]:
    each = func.json_each(bindparam("rows", type_=Text())).table_valued("value", name="each")
    return each, {name: func.json_extract(each.c.value, f"$.{name}", type_=type_) for name, type_ in _EACH.items()}
