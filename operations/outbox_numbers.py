"""What waits in the outbox, and which partition keys are stopped there."""

from dataclasses import asdict, dataclass
from typing import Any

from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, func, select

from workers.tables import outbox

#: So many stopped keys are named.
MOST_KEYS = 20
_WAITING = outbox.c.published_at.is_(None)


@dataclass(frozen=True, kw_only=True)
class StoppedKey:
    """A partition key that waits because the broker refuses its first event; `seconds` is that event's age."""

    key: str
    event_id: str
    attempts: int
    error: str
    seconds: float
    #: events of the key that wait, the refused one included
    waiting: int

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"seconds": round(self.seconds, 1)}


@dataclass(frozen=True, kw_only=True)
class OutboxNumbers:
    """Unpublished events, the age in seconds of the oldest one, and the first error that one of them has met."""

    unpublished: int
    lag: float
    error: str | None
    stopped: tuple[StoppedKey, ...]


def outbox_numbers(connection: Connection) -> OutboxNumbers:
    """Count what waits."""
    counted = select(func.count(), store_now() - func.min(outbox.c.created_at)).where(_WAITING)
    unpublished, lag = connection.execute(counted).one()
    failed = select(outbox.c.error).where(_WAITING, outbox.c.error.is_not(None)).order_by(outbox.c.id).limit(1)
    error = connection.execute(failed).scalar()
    return OutboxNumbers(
        unpublished=unpublished, lag=max(0.0, float(lag or 0)), error=error, stopped=_stopped(connection)
    )


def _stopped(connection: Connection) -> tuple[StoppedKey, ...]:
    """Keys whose head was refused: the relay sends nothing of a key beyond it."""
    refused = (
        select(outbox, (store_now() - outbox.c.created_at).label("age"))
        .where(_WAITING, outbox.c.partition_key.is_not(None), outbox.c.attempts > 0)
        .order_by(outbox.c.id)
        .limit(MOST_KEYS)
    )
    heads = connection.execute(refused).fetchall()
    keys = [head.partition_key for head in heads]
    behind = select(outbox.c.partition_key, func.count()).where(_WAITING, outbox.c.partition_key.in_(keys))
    counts = {row[0]: row[1] for row in connection.execute(behind.group_by(outbox.c.partition_key))}
    return tuple(
        StoppedKey(
            key=head.partition_key,
            event_id=head.event_id,
            attempts=head.attempts,
            error=head.error or "",
            seconds=max(0.0, head.age),
            waiting=counts.get(head.partition_key, 1),
        )
        for head in heads
    )
