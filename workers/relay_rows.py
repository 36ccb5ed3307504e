"""Which rows of the outbox may be had now: the conditions and bounds that claims and records share."""

from millrace.derived import RELAY_LEASE_SECONDS
from millrace.publishing.store_clock import store_now
from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select

from workers.tables import outbox

#: How long a refused row waits, at most.
LONGEST_WAIT_SECONDS = 60
#: How long a row behind its key's head is out of sight, at most: the head's turn brings it back before.
LONGEST_ASIDE_SECONDS = 300

#: The store's clock, read once per statement: so an index can be used with it.
NOW = select(store_now()).scalar_subquery()
UNPUBLISHED = outbox.c.published_at.is_(None)
#: No lease ends later than this, but for one that was given before the store's clock was set back.
_HELD = and_(outbox.c.held_until > NOW, outbox.c.held_until <= NOW + 2 * RELAY_LEASE_SECONDS)
_FREE = not_(func.coalesce(_HELD, False))
DUE = and_(UNPUBLISHED, outbox.c.due_at <= NOW, _FREE)
WAITS = or_(outbox.c.due_at > NOW, not_(_FREE))


def first_due(count: int) -> Select[int, str | None]:
    """Ids and partition keys of the rows that are due, those that have waited longest first."""
    return select(outbox.c.id, outbox.c.partition_key).where(DUE).order_by(outbox.c.due_at, outbox.c.id).limit(count)


def lock(which: ColumnElement[bool]) -> Select[int]:
    """Lock unpublished rows, but for those that somebody outside holds locked: a relay waits for none; their ids."""
    return select(outbox.c.id).where(which, UNPUBLISHED).with_for_update(skip_locked=True)
