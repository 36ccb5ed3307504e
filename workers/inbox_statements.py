"""The two statements of the inbox that most events need, compiled once."""

from functools import lru_cache
from typing import Any

from millrace.publishing.store_clock import store_now
from sqlalchemy import Dialect, Double, and_, bindparam, update
from sqlalchemy.sql.compiler import SQLCompiler

from workers.database import insert_into
from workers.tables import inbox

_GIVEN = ("group_name", "source", "event_id", "type", "fingerprint", "state", "generation", "owner", "traceparent")


@lru_cache(maxsize=16)
def first_attempt(dialect: Dialect) -> SQLCompiler:
    """Records a first attempt with a lease of `lease` seconds, and returns its fence, unless the event is on record."""
    now = {"due_at": store_now() + bindparam("lease", type_=Double()), "first_seen_at": store_now()}
    values: dict[str, Any] = {name: bindparam(name) for name in _GIVEN} | now
    adding = insert_into(dialect, inbox).values(**values, updated_at=store_now(), attempts=1, fence=1)
    return adding.on_conflict_do_nothing().returning(inbox.c.fence).compile(dialect=dialect)


@lru_cache(maxsize=16)
def outcome(dialect: Dialect) -> SQLCompiler:
    """Records the outcome of a claim that is still the latest; else it changes no row."""
    row = inbox.c
    event = and_(
        row.group_name == bindparam("of_group"),
        row.source == bindparam("from_source"),
        row.event_id == bindparam("with_id"),
    )
    held = and_(row.fence == bindparam("held_fence"), row.state == bindparam("held_state"))
    values: dict[str, Any] = {
        "state": bindparam("new_state"),
        "milliseconds": bindparam("took"),
        "error": bindparam("why"),
    }
    return update(inbox).where(event, held).values(**values, updated_at=store_now()).compile(dialect=dialect)
