"""Which rows of the outbox a relay may publish: claims that end by themselves, made by one relay after the other.

Everything that relays change in the table is changed in a `turn`, and no two turns run at a time (an advisory lock of
PostgreSQL, the one writer of SQLite): a turn sees the whole work of those before it. A partition key is free if its
head, the lowest unpublished row, is due and not held; a claim takes the head and what follows it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import structlog
from millrace.derived import RELAY_LEASE_SECONDS, STORE_SECONDS
from millrace.publishing.store_clock import store_now
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Float,
    Row,
    Select,
    and_,
    bindparam,
    case,
    event,
    func,
    not_,
    or_,
    select,
    true,
    update,
)

from workers.database import begin, connect, reading
from workers.tables import outbox

log = structlog.get_logger("millrace.relay")

#: So many due rows are looked at in a turn, and so many rows of one key are claimed at most.
WINDOW = 200
CHAIN = 50
#: So many rows behind their keys' heads are put aside in a turn, at most.
ASIDE = 500
#: How long a refused row waits, at most.
LONGEST_WAIT_SECONDS = 60
#: How long a row behind its key's head is out of sight, at most: the head's turn brings it back before.
LONGEST_ASIDE_SECONDS = 300
#: Any number: turns wait for each other on it (PostgreSQL).
_TURN = 7_126_116
#: In milliseconds: a relay that is stopped in the middle of its turn loses it after that.
_LIMITS = {"statement_timeout": 10_000, "idle_in_transaction_session_timeout": 3_000}

#: The store's clock, read once per statement: so an index can be used with it.
_NOW = select(store_now()).scalar_subquery()
_UNPUBLISHED = outbox.c.published_at.is_(None)
#: No lease ends later than this, but for one that was given before the store's clock was set back.
_HELD = and_(outbox.c.held_until > _NOW, outbox.c.held_until <= _NOW + 2 * RELAY_LEASE_SECONDS)
_FREE = not_(func.coalesce(_HELD, False))
_DUE = and_(_UNPUBLISHED, outbox.c.due_at <= _NOW, _FREE)
_WAITS = or_(outbox.c.due_at > _NOW, not_(_FREE))
_ANY_ID = 2**62


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


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The rows of one claim, in the order of their ids; `more` if there was more to look at than one turn does."""

    rows: Sequence[Row[Any]] = field(default_factory=list)
    more: bool = False


def relay_engine(url: str) -> Engine:
    """An engine whose turns cannot take longer than the other relays can wait."""
    engine = connect(url, patience=STORE_SECONDS)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _limit)
    return engine


def _limit(raw: Any, _record: object) -> None:
    for name, value in _LIMITS.items():
        raw.execute(f"SET {name} = {value}")
    raw.commit()


def anything_due(engine: Engine) -> bool:
    """Whether a turn would find something: a look that disturbs no writer."""
    with reading(engine) as connection:
        return connection.execute(_first_due(1)).first() is not None


def turn(engine: Engine, claim: str, settled: Settled | None, limit: int) -> Claimed:
    """Record what became of the claim before, then claim up to `limit` rows; all of it or nothing."""
    with begin(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_TURN)))
        if settled is not None:
            _record(connection, settled)
        return _claim(connection, claim, limit) if limit else Claimed()


def _claim(connection: Connection, claim: str, limit: int) -> Claimed:
    seen = connection.execute(_first_due(WINDOW)).fetchall()
    chains = _chains(connection, [row.id for row in seen if row.partition_key is not None])
    # each row without a key is a chain of its own
    free = [[row.id] for row in seen if row.partition_key is None]
    free += [[row.id for row in chain] for chain in chains.values() if not chain[0].waits]
    unlocked = _unlocked(connection, [id_ for chain in free for id_ in chain])
    wanted = [id_ for chain in free for id_ in takewhile(unlocked.__contains__, chain)]
    taken = set(sorted(wanted)[:limit])
    rows = _take(connection, claim, taken)
    stopped = {key for key, chain in chains.items() if chain[0].waits or chain[0].id in taken}
    aside = any(row.partition_key in stopped and row.id not in taken for row in seen)
    if aside:
        _set_aside(connection, stopped)
    return Claimed(rows=rows, more=len(seen) == WINDOW and bool(taken or aside))


def _first_due(count: int) -> Select[int, str | None]:
    return select(outbox.c.id, outbox.c.partition_key).where(_DUE).order_by(outbox.c.due_at, outbox.c.id).limit(count)


def _unlocked(connection: Connection, ids: Collection[int]) -> set[int]:
    """Lock the rows, but for those that somebody outside holds locked: the relay waits for none of them."""
    return set(connection.execute(_lock(outbox.c.id.in_(ids))).scalars()) if ids else set()


def _lock(which: ColumnElement[bool]) -> Select[int]:
    return select(outbox.c.id).where(which, _UNPUBLISHED).with_for_update(skip_locked=True)


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
    waits = outbox.c.id, outbox.c.partition_key, _WAITS.label("waits")
    if connection.dialect.name == "postgresql":
        chain = first.limit(CHAIN).lateral()
        rows = select(*waits).select_from(keys.join(chain, true()).join(outbox, outbox.c.id == chain.c.id))
    else:  # SQLite has no LATERAL: up to the id of the last one
        last = func.coalesce(first.with_only_columns(behind.c.id).offset(CHAIN - 1).limit(1).scalar_subquery(), _ANY_ID)
        mine = and_(outbox.c.partition_key == keys.c.partition_key, outbox.c.id <= last)
        rows = select(*waits).select_from(keys.join(outbox, mine)).where(_UNPUBLISHED)
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
        "due_at": case((outbox.c.due_at > _NOW, store_now()), else_=outbox.c.due_at),
    }
    rows = connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(values).returning(outbox))
    return sorted(rows, key=lambda row: int(row.id))


def _set_aside(connection: Connection, keys: Collection[str]) -> None:
    """Due rows of keys whose head is not leave the index of what is due, or every turn would look at them again.

    They come back with their head; if that should ever fail, by themselves after as long as they have waited.
    """
    first = _first_due(ASIDE).subquery()
    behind = _lock(outbox.c.id.in_(select(first.c.id).where(first.c.partition_key.in_(keys))))
    age = _NOW - outbox.c.created_at
    wait = case((age < RELAY_LEASE_SECONDS, RELAY_LEASE_SECONDS), (age > LONGEST_ASIDE_SECONDS, LONGEST_ASIDE_SECONDS))
    later = store_now() + func.coalesce(wait, age)
    connection.execute(update(outbox).where(outbox.c.id.in_(behind)).values(due_at=later))


def heal(engine: Engine) -> None:
    """No row is due later than a relay can have meant: the store's clock was set back, and the row would wait."""
    late = outbox.c.due_at > _NOW + LONGEST_ASIDE_SECONDS
    with begin(engine) as connection:
        connection.execute(update(outbox).where(_UNPUBLISHED, late).values(due_at=store_now()))


def _record(connection: Connection, settled: Settled) -> None:
    """Record a claim's outcome on the rows that it still holds: rows of a later claim are not touched."""
    still = outbox.c.id.in_(settled.rows), outbox.c.held_by == settled.claim
    mine = set(connection.execute(_lock(and_(*still))).scalars())
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
    aside = _lock(and_(outbox.c.id.in_(heads), outbox.c.due_at > _NOW))
    connection.execute(update(outbox).where(outbox.c.id.in_(aside)).values(due_at=store_now()))
