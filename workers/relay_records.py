"""What became of the rows of a claim, recorded on those that the claim still holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, Float, Row, and_, bindparam, func, select, update

from workers.relay_rows import LONGEST_WAIT_SECONDS, NOW, lock
from workers.tables import outbox

log = structlog.get_logger("millrace.relay")


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of a claim's rows, by id: what is neither published nor refused is given back."""

    claim: str
    rows: Mapping[int, Row[Any]]
    published: Sequence[int] = ()
    #: by the broker, with the reason
    refused: Mapping[int, str] = field(default_factory=dict)
    #: why rows were not confirmed that are not at fault, with the rows
    outages: Mapping[str, Sequence[int]] = field(default_factory=dict)


def record(connection: Connection, settled: Settled) -> None:
    """Record a claim's outcome on the rows that it still holds: rows of a later claim are not touched."""
    still = outbox.c.id.in_(settled.rows), outbox.c.held_by == settled.claim
    mine = set(connection.execute(lock(and_(*still))).scalars())
    if len(mine) < len(settled.rows):
        log.warning("overtaken", claim=settled.claim, rows=len(settled.rows) - len(mine))
    for error, ids in settled.outages.items():
        connection.execute(update(outbox).where(outbox.c.id.in_(mine.intersection(ids))).values(error=error))
    if refused := mine.intersection(settled.refused):
        _postpone(connection, settled, refused)
    if published := mine.intersection(settled.published):
        done = update(outbox).where(outbox.c.id.in_(published))
        connection.execute(done.values(published_at=store_now(), held_by=None, held_until=None))
        _wake_heads(connection, settled, published)
    if back := mine - published:
        given_back = update(outbox).where(outbox.c.id.in_(back))
        connection.execute(given_back.values(held_by=None, held_until=None))


def _postpone(connection: Connection, settled: Settled, ids: Collection[int]) -> None:
    statement = (
        update(outbox)
        .where(outbox.c.id == bindparam("row_id"))
        .values(
            attempts=outbox.c.attempts + 1,
            error=bindparam("reason"),
            due_at=store_now() + bindparam("wait", type_=Float),
        )
    )
    waits = {id_: min(2 ** settled.rows[id_].attempts, LONGEST_WAIT_SECONDS) for id_ in ids}
    rows = [{"row_id": id_, "reason": settled.refused[id_], "wait": wait} for id_, wait in waits.items()]
    connection.execute(statement, rows)


def _wake_heads(connection: Connection, settled: Settled, published: Collection[int]) -> None:
    """The row that is a key's head now is due, if it was set aside; a refused one waits as long as it shall."""
    stopped = {settled.rows[id_].partition_key for id_ in settled.refused}
    went_on = [id_ for id_ in published if settled.rows[id_].partition_key not in {None, *stopped}]
    if not went_on:
        return
    keys = select(outbox.c.partition_key).where(outbox.c.id.in_(went_on)).distinct().subquery()
    ahead = outbox.alias()
    head = select(func.min(ahead.c.id)).where(
        ahead.c.partition_key == keys.c.partition_key, ahead.c.published_at.is_(None)
    )
    heads = select(head.scalar_subquery()).select_from(keys)
    aside = lock(and_(outbox.c.id.in_(heads), outbox.c.due_at > NOW))
    connection.execute(update(outbox).where(outbox.c.id.in_(aside)).values(due_at=store_now()))
