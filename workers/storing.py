"""Storing what the keeper has read: letters, the index of accepted events, and how far the stream was read."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from millrace import names
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, exists, func, insert, literal, select
from sqlalchemy.exc import SQLAlchemyError

from workers.database import insert_into, is_outage
from workers.tables import accepted, letters, stream_offsets

log = structlog.get_logger("millrace.keeper")

#: Any number: keepers that index at the same time wait for each other on it (PostgreSQL).
_INDEXING = 7_126_116


@dataclass(frozen=True, kw_only=True)
class Filed:
    """A letter to store, whether it bears a worker's mark, and whether the broker has delivered it before."""

    row: dict[str, Any]
    marked: bool
    redelivered: bool


@dataclass
class Batch:
    """Messages that have come and are not stored yet, and up to where they may be acked."""

    letters: list[Filed] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    next_offset: int | None = None
    last_tag: int = 0
    size: int = 0


def store(connection: Connection, batch: Batch) -> None:
    """Store a batch: letters, the index of accepted events, and up to where the stream was read.

    One row that the store refuses does not stop the others: a letter is stored without what identifies it, an entry of
    the index is left out. Raises what an outage raises.
    """
    for filed in batch.letters:
        if not _fits(connection, lambda filed=filed: _store_letter(connection, filed)):  # type: ignore[misc]
            _store_letter(connection, replace(filed, row=_bare(filed.row)))
    if batch.accepted:
        _store_accepted(connection, batch.accepted)
    if batch.next_offset is not None:
        values = {"stream": names.ACCEPTED, "next_offset": batch.next_offset}
        moved = insert_into(connection.dialect, stream_offsets).values(values)
        latest = {"next_offset": moved.excluded.next_offset}
        connection.execute(moved.on_conflict_do_update(index_elements=["stream"], set_=latest))


def _store_accepted(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Index what is not indexed yet: on PostgreSQL the table has partitions by time, so no key spans it.

    Those who index wait for each other; so each sees what the others have indexed.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_INDEXING)))
    for row in rows:
        there = exists().where(accepted.c.source == row["source"], accepted.c.event_id == row["event_id"])
        values = [literal(row[name], accepted.c[name].type) for name in ("source", "event_id", "type")]
        entry = insert(accepted).from_select(
            ["source", "event_id", "type", "accepted_at"], select(*values, store_now()).where(~there)
        )
        _fits(connection, lambda entry=entry: connection.execute(entry))  # type: ignore[misc]


def _fits(connection: Connection, act: Callable[[], object]) -> bool:
    """Do it in a savepoint; False if the store refuses the row itself."""
    try:
        with connection.begin_nested():
            act()
    except SQLAlchemyError as error:
        if is_outage(error):
            raise
        log.error("refused by the store", error=type(error).__name__)
        return False
    return True


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    """The letter with its bytes, and without anything that came with them."""
    nothing = dict.fromkeys(("source", "event_id", "type", "traceparent", "content_type", "stack", "worker"))
    return {
        **row,
        **nothing,
        "headers": {},
        "routing_key": "",
        "error": "the store refused what came with the bytes",
    }


def _store_letter(connection: Connection, filed: Filed) -> None:
    """Insert a letter, unless it is one that is there already.

    One with a worker's mark is known by it; another one only if the broker says that it delivers it again, for two
    messages may be the same to the byte. A known one stays as it is, closed ones closed.
    """
    added = insert_into(connection.dialect, letters).values({**filed.row, "received_at": store_now()})
    once = added.on_conflict_do_nothing(index_elements=["letter_key"]).returning(letters.c.id)
    if connection.execute(once).one_or_none() is not None:
        return
    body = select(letters.c.body).where(letters.c.letter_key == filed.row["letter_key"])
    known = connection.execute(body).scalar_one() == filed.row["body"]
    if not (known and (filed.marked or filed.redelivered)):
        _store_letter(connection, replace(filed, row={**filed.row, "letter_key": uuid.uuid4().hex}))
