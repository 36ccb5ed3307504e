"""The letters: what could not be handled, kept with its bytes; read, replayed, released and discarded as rows.

Replay and release close the letter and write the outbox row in one transaction: done twice, or cut anywhere, they
publish once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from millrace import names
from millrace.envelope import CONTENT_TYPE
from millrace.errors import MillraceError
from millrace.publishing.message import Message
from millrace.publishing.outbox import outbox_row
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, Row, and_, exists, select, update

from workers.outgoing import short_id
from workers.received import GENERATION_HEADER, MAX_GENERATION
from workers.retention_removal import removed_before
from workers.stores.outcome_copy import IS_COPY
from workers.stores.store import REPLAYABLE_SECONDS
from workers.tables import inbox, letters

DEAD, PARKED, REJECTED = "dead", "parked", "rejected"
OPEN, REPLAYED, RELEASED, DISCARDED = "open", "replayed", "released", "discarded"
#: The cause of a letter whose event came before with another payload.
CONFLICT = "conflict"


class ReplayRefused(MillraceError):
    """Letters whose inbox row has gone with the retention: whether their event was handled cannot be known any more."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("nothing was replayed: " + "; ".join(reasons.values()))


def replay(connection: Connection, ids: Sequence[int]) -> int:
    """Send dead letters to their groups again, a generation higher; returns how many were open till now.

    Raises ReplayRefused, and replays none, if one is older than the retention.
    """
    if refused := not_replayable(connection, ids):
        raise ReplayRefused(refused)
    done = 0
    for letter in _close(connection, ids, DEAD, REPLAYED):
        known = select(inbox.c.generation).where(
            inbox.c.group_name == letter.group_name,
            inbox.c.source == letter.source,
            inbox.c.event_id == letter.event_id,
        )
        generation = min(max(letter.generation, connection.execute(known).scalar() or 0) + 1, MAX_GENERATION)
        headers = {**letter.headers, GENERATION_HEADER: generation}
        key = names.group_key(letter.group_name or "")
        connection.execute(outbox_row(_message(letter, names.GROUPS, key, headers), letter.type))
        done += 1
    return done


def not_replayable(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """Which of these open dead letters must not be replayed, and why.

    A replay must find its event's inbox row, unless the event never had one. A conflict had one; of a letter that is
    older than what the retention has removed, nobody can tell. A copy outlives the row in another store, which forgets.
    """
    same = and_(
        inbox.c.group_name == letters.c.group_name,
        inbox.c.source == letters.c.source,
        inbox.c.event_id == letters.c.event_id,
    )
    identified = and_(letters.c.source.is_not(None), letters.c.event_id.is_not(None))
    mine = and_(letters.c.id.in_(ids), letters.c.kind == DEAD, letters.c.state == OPEN, identified)
    forgotten = and_(IS_COPY, inbox.c.updated_at < store_now() - REPLAYABLE_SECONDS)
    surely_there = exists().where(same, ~forgotten)
    copied = exists().where(same).label("copied")
    found = connection.execute(select(letters, copied).where(mine, ~surely_there).order_by(letters.c.id)).all()
    return {letter.id: _why_not(letter) for letter in found if letter.copied or _row_has_gone(connection, letter)}


def _why_not(letter: Row[Any]) -> str:
    return (
        f"letter {letter.id} (event {letter.event_id} of {letter.source}, group {letter.group_name}) is older than the"
        " retention: its inbox row may have gone, so whether the event was handled cannot be known; discard the letter,"
        " and publish the event anew, under another id, if it is still wanted"
    )


def _row_has_gone(connection: Connection, letter: Row[Any]) -> bool:
    before = removed_before(connection, letter.group_name)
    return before is not None and (letter.cause == CONFLICT or letter.received_at < before)


def release(connection: Connection, ids: Sequence[int]) -> int:
    """Send parked events to `events` again; returns how many were open till now."""
    done = 0
    for letter in _close(connection, ids, PARKED, RELEASED):
        message = _message(letter, names.EVENTS, letter.type or letter.routing_key, letter.headers)
        connection.execute(outbox_row(message, letter.type))
        done += 1
    return done


def discard(connection: Connection, ids: Sequence[int]) -> int:
    """Close letters for good, their rows and bytes are kept; returns how many were open till now."""
    return len(_close(connection, ids, None, DISCARDED))


def _close(connection: Connection, ids: Sequence[int], kind: str | None, state: str) -> list[Row[Any]]:
    """Close those that are open and return them: of two that try, one gets the letter."""
    closed = []
    for id_ in ids:
        mine = and_(letters.c.id == id_, letters.c.state == OPEN)
        if kind is not None:
            mine = and_(mine, letters.c.kind == kind)
        changed = connection.execute(update(letters).where(mine).values(state=state, closed_at=store_now()))
        if changed.rowcount == 1:
            closed.append(connection.execute(select(letters).where(letters.c.id == id_)).one())
    return closed


def _message(letter: Row[Any], exchange: str, key: str, headers: Mapping[str, Any]) -> Message:
    return Message(
        exchange=exchange,
        routing_key=key,
        body=letter.body,
        message_id=short_id(letter.event_id or ""),
        content_type=letter.content_type or CONTENT_TYPE,
        headers=headers,
    )
