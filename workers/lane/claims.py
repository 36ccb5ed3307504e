"""The claims of a whole batch, with their outcomes, in one statement."""

import json
from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any

from millrace.publishing.store_clock import store_now
from sqlalchemy import ARRAY, Double, Insert, Integer, Select, Text, bindparam, case, cast, column, func, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.selectable import FromClause

from workers.inbox import Claim
from workers.stores.store import Outcome
from workers.tables import inbox

#: What differs from event to event.
_EACH = ("source", "event_id", "type", "fingerprint", "state", "milliseconds", "error", "traceparent")
_TYPES = {name: Double() if name == "milliseconds" else Text() for name in _EACH}


def claim_parameters(dialect: str, ended: Iterable[tuple[Claim, Outcome]]) -> dict[str, Any]:
    """The parameters of `claim_all` for first attempts that have ended, all of one group and worker."""
    rows = []
    for held, outcome in ended:
        asked, event = held.request, held.request.envelope
        known = event.source, event.id, event.type, asked.fingerprint
        rows.append((*known, outcome.state, outcome.milliseconds, outcome.error, event.traceparent))
    rows.sort(key=itemgetter(0, 1))  # two workers that claim the same events then wait for each other in one order
    common = {"group_name": asked.group, "owner": asked.owner}
    if dialect == "postgresql":
        return {**common, **{name: list(values) for name, values in zip(_EACH, zip(*rows, strict=True), strict=True)}}
    return {**common, "rows": json.dumps(rows)}


@lru_cache(maxsize=2)
def claim_all(dialect: str) -> Insert:
    """Records first attempts with their outcomes, and returns source and id of those that nobody had claimed."""
    each, cell = _postgres_rows() if dialect == "postgresql" else _sqlite_rows()
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
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    adding = insert(inbox).from_select(list(values), rows)
    return adding.on_conflict_do_nothing().returning(inbox.c.source, inbox.c.event_id)


def claim_all_or_fail() -> Select[int]:
    """The same for PostgreSQL, as a statement that fails unless nobody had claimed any of the `events` (their number).

    For who sends the commit with it, and cannot look at what is returned. The error is invalid_text_representation,
    and says how many were free.
    """
    claimed = claim_all("postgresql").cte("claimed")
    free = select(func.count()).select_from(claimed).scalar_subquery()
    expected = bindparam("events", type_=Integer())
    refusal = func.concat(free, " of ", expected, " events are new")  # not a constant: that would always be evaluated
    return select(case((free == expected, free), else_=cast(refusal, Integer)))


def _postgres_rows() -> tuple[FromClause, dict[str, ColumnElement[Any]]]:
    arrays = [bindparam(name, type_=ARRAY(type_)) for name, type_ in _TYPES.items()]
    columns = [column(name, type_) for name, type_ in _TYPES.items()]
    each = func.unnest(*arrays).table_valued(*columns, name="each").render_derived()
    return each, {name: each.c[name] for name in _EACH}


def _sqlite_rows() -> tuple[FromClause, dict[str, ColumnElement[Any]]]:
    each = func.json_each(bindparam("rows", type_=Text())).table_valued("value", name="each")
    return each, {
        name: func.json_extract(each.c.value, f"$[{number}]", type_=_TYPES[name]) for number, name in enumerate(_EACH)
    }
