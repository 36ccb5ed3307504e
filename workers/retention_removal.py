"""What the retention removes: small transactions, oldest first, and only what nothing can ask for any more.

Every function removes one batch and says how many rows that were and where it stopped; rows that someone holds a lock
on are passed over until the next round.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, bindparam, delete, exists, func, select, tuple_

from workers.database import reading
from workers.retention_partitions import DEFAULT
from workers.tables import accepted, external_calls, inbox, letters, outbox, retention
from workers.verdicts import DEAD_LETTERED, DISCARDED, PROCESSED

#: Rows in one transaction: a few milliseconds of a lock that others may wait for.
BATCH = 500
#: What has an outcome; running and retrying rows are never removed.
SETTLED = (PROCESSED, DISCARDED, DEAD_LETTERED)

_KEY = ("group_name", "source", "event_id")
_FIRST = select(func.min(inbox.c.group_name))


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one batch removed, where the next one goes on, and whether there may be more."""

    removed: int
    position: float
    more: bool


def remove_accepted(connection: Connection, cutoff: float, position: float) -> Step:
    """Remove entries of the index of accepted events; of one with partitions, those that are in none of a week."""
    table = accepted if connection.dialect.name == "sqlite" else DEFAULT
    return _by_time(connection, table, ("source", "event_id", "accepted_at"), "accepted_at", cutoff, position)


def remove_letters(connection: Connection, cutoff: float, position: float) -> Step:
    """Remove letters that were closed before the cutoff; open ones stay, however old."""
    return _by_time(connection, letters, ("id",), "closed_at", cutoff, position)


def _by_time(
    connection: Connection, table: Table, key: tuple[str, ...], by: str, cutoff: float, position: float
) -> Step:
    """Remove the oldest rows whose time is from the position to before the cutoff."""
    return _remove(connection, table, key, by, and_(table.c[by] < cutoff, table.c[by] >= position), position)[0]


def remove_outbox(connection: Connection, cutoff: float, position: float) -> Step:
    """Remove published rows; walks by id, as they were written, until rows are younger than the cutoff."""
    ahead = select(outbox.c.id, outbox.c.created_at).where(outbox.c.id > position).order_by(outbox.c.id).limit(BATCH)
    chunk = ahead.subquery()
    last, oldest = connection.execute(select(func.max(chunk.c.id), func.min(chunk.c.created_at))).one()
    if last is None or oldest >= cutoff:
        return Step(removed=0, position=position, more=False)
    old = select(outbox.c.id).where(outbox.c.id > position, outbox.c.id <= last, outbox.c.published_at < cutoff)
    locked = old.with_for_update(skip_locked=True).cte("old")
    gone = delete(outbox).where(outbox.c.id.in_(select(locked.c.id))).returning(outbox.c.id)
    return Step(removed=len(connection.execute(gone).all()), position=last, more=True)


def remove_inbox(
    connection: Connection, group: str, state: str, cutoff: float, position: float, *, indexed_since: float
) -> Step:
    """Remove a group's rows of one settled state, and the record of their external calls.

    A row stays while its event was accepted since then (the reconciliation asks for its outcome) or has a letter (a
    replay or release asks for the row).
    """
    if state not in SETTLED:
        raise ValueError(f"state must be one of {', '.join(SETTLED)}, got {state!r}")
    old = and_(
        inbox.c.group_name == group,
        inbox.c.state == state,
        inbox.c.updated_at < cutoff,
        inbox.c.updated_at >= position,
        ~exists().where(letters.c.event_id == inbox.c.event_id, letters.c.source == inbox.c.source),
        ~exists().where(
            accepted.c.event_id == inbox.c.event_id,
            accepted.c.source == inbox.c.source,
            accepted.c.accepted_at >= indexed_since,
        ),
    )
    step, keys = _remove(connection, inbox, _KEY, "updated_at", old, position)
    if keys and connection.execute(select(exists().where(external_calls.c.group_name == group))).scalar():
        mine = and_(*(external_calls.c[name] == bindparam(f"key_{name}") for name in _KEY))
        connection.execute(
            delete(external_calls).where(mine),
            [{f"key_{name}": value for name, value in zip(_KEY, key, strict=True)} for key in keys],
        )
    return step


def groups_stored(engine: Engine) -> list[str]:
    """The groups that have rows in the inbox, those that the catalog has no more among them."""
    found: list[str] = []
    with reading(engine) as connection:  # one step of the index per group: a distinct would read all of it
        while more := connection.execute(_FIRST.where(inbox.c.group_name > (found[-1] if found else ""))).scalar():
            found.append(more)
    return found


def removed_before(connection: Connection, group: str) -> float | None:
    """Inbox rows of a group that are older may have been removed; None if the group never had any removed."""
    query = select(retention.c.removed_before).where(retention.c.what == of_inbox(group))
    return connection.execute(query).scalar()


def of_inbox(group: str) -> str:
    """What the retention calls a group's part of the inbox."""
    return f"inbox/{group}"


def _remove(
    connection: Connection, table: Table, key: tuple[str, ...], by: str, old: ColumnElement[bool], position: float
) -> tuple[Step, list[tuple[object, ...]]]:
    """Remove the oldest rows that a condition names; gives their keys too.

    The keys are chosen in a CTE: PostgreSQL may run a subquery with a limit more than once, a CTE that locks runs once.
    """
    columns = [table.c[name] for name in key]
    chosen = select(*columns).where(old).order_by(table.c[by]).limit(BATCH)
    locked = chosen.with_for_update(skip_locked=True, of=table).cte("old")
    named = tuple_(*columns).in_(select(*(locked.c[name] for name in key)))
    gone = connection.execute(delete(table).where(named).returning(table.c[by], *columns)).all()
    last = max((row[0] for row in gone), default=position)
    return Step(removed=len(gone), position=last, more=len(gone) == BATCH), [tuple(row[1:]) for row in gone]
