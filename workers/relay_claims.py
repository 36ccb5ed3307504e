"""Which rows of the outbox a relay may publish: claims that end by themselves.

A partition key is free if its head, the lowest unpublished row, is due and not held; a claim takes the head and what
follows it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from millrace.derived import RELAY_LEASE_SECONDS
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, Row, and_, case, func, select, true, update

from workers.relay_rows import LONGEST_ASIDE_SECONDS, NOW, UNPUBLISHED, WAITS, first_due, lock
from workers.tables import outbox

#: So many due rows are looked at in a turn, and so many rows of one key are claimed at most.
WINDOW = 200
CHAIN = 50
#: So many rows behind their keys' heads are put aside in a turn, at most.
ASIDE = 500
_ANY_ID = 2**62


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The rows of one claim, in the order of their ids; `more` if there was more to look at than one turn does."""

    rows: Sequence[Row[Any]] = field(default_factory=list)
    more: bool = False


def claim_rows(connection: Connection, claim: str, limit: int) -> Claimed:
    """Claim up to `limit` rows that are due, and what follows them in their keys."""
    seen = connection.execute(first_due(WINDOW)).fetchall()
    chains = _chains(connection, [row.id for row in seen if row.partition_key is not None])
    # each row without a key is a chain of its own
    free = [[row.id] for row in seen if row.partition_key is None]
    free += [[row.id for row in chain] for chain in chains.values() if not chain[0].waits]
    unlocked = _unlocked(connection, [id_ for chain in free for id_ in chain])
    wanted = [id_ for chain in free for id_ in takewhile(unlocked.__contains__, chain)]
    taken = set(sorted(wanted)[:limit])
    rows = _take(connection, claim, taken)
    stopped = {key: chain[0].id for key, chain in chains.items() if chain[0].waits or chain[0].id in taken}
    aside = any(row.partition_key in stopped and row.id not in taken for row in seen)
    if aside:
        set_aside(connection, stopped)
    return Claimed(rows=rows, more=len(seen) == WINDOW and bool(taken or aside))


def _unlocked(connection: Connection, ids: Collection[int]) -> set[int]:
    """Lock the rows, but for those that somebody outside holds locked: the relay waits for none of them."""
    return set(connection.execute(lock(outbox.c.id.in_(ids))).scalars()) if ids else set()


def _chains(connection: Connection, ids: Sequence[int]) -> dict[str, list[Row[Any]]]:
    """The first rows of each key that one of the given rows has, from its head on."""
    if not ids:
        return {}
    keys = select(outbox.c.partition_key).where(outbox.c.id.in_(ids)).distinct().subquery()
    behind = outbox.alias()
    first = (
        select(behind.c.id, behind.c.partition_key)
        .where(behind.c.partition_key == keys.c.partition_key, behind.c.published_at.is_(None))
        .order_by(behind.c.id)
    )
    waits = outbox.c.id, outbox.c.partition_key, WAITS.label("waits")
    if connection.dialect.name == "postgresql":
        chain = first.limit(CHAIN).lateral()
        rows = select(*waits).select_from(keys.join(chain, true()).join(outbox, outbox.c.id == chain.c.id))
    else:  # SQLite has no LATERAL: up to the id of the last one
        last = func.coalesce(first.with_only_columns(behind.c.id).offset(CHAIN - 1).limit(1).scalar_subquery(), _ANY_ID)
        mine = and_(outbox.c.partition_key == keys.c.partition_key, outbox.c.id <= last)
        rows = select(*waits).select_from(keys.join(outbox, mine)).where(UNPUBLISHED)
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(rows.order_by(outbox.c.id)):
        found.setdefault(row.partition_key, []).append(row)
    return found


def _take(connection: Connection, claim: str, ids: Collection[int]) -> list[Row[Any]]:
    if not ids:
        return []
    values = {
        "held_by": claim,
        "held_until": store_now() + RELAY_LEASE_SECONDS,
        "due_at": case((outbox.c.due_at > NOW, store_now()), else_=outbox.c.due_at),
    }
    rows = connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(values).returning(outbox))
    return sorted(rows, key=lambda row: int(row.id))


def set_aside(connection: Connection, heads: Mapping[str, int]) -> None:
    """Due rows behind their keys' heads leave the index of what is due, or every turn would look at them again.

    They come back with their head; if that should ever fail, by themselves after as long as they have waited.
    """
    first = first_due(ASIDE).subquery()
    # a head that waited at the turn's beginning may be due by now
    keyed = first.c.partition_key.in_(heads), first.c.id.not_in(heads.values())
    behind = lock(outbox.c.id.in_(select(first.c.id).where(*keyed)))
    age = NOW - outbox.c.created_at
    wait = case((age < RELAY_LEASE_SECONDS, RELAY_LEASE_SECONDS), (age > LONGEST_ASIDE_SECONDS, LONGEST_ASIDE_SECONDS))
    later = store_now() + func.coalesce(wait, age)
    connection.execute(update(outbox).where(outbox.c.id.in_(behind)).values(due_at=later))
