"""How many letters are open and how far the relay lags, from the tables."""

from dataclasses import dataclass, field

from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, func, select

from operations.outbox_numbers import StoppedKey, outbox_numbers
from workers.tables import inbox, letters, retention


@dataclass(frozen=True, kw_only=True)
class StoreNumbers:
    """What the store holds at one moment; `relay_lag` is the age in seconds of the oldest unpublished event."""

    #: open dead letters by group
    dead_letters: dict[str, int] = field(default_factory=dict)
    #: open parked letters by type
    parked: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    #: the id of the newest letter: it grows as the keeper moves letters to the store
    last_letter: int = 0
    unpublished: int = 0
    relay_lag: float = 0.0
    relay_error: str | None = None
    stopped_keys: tuple[StoppedKey, ...] = ()
    #: seconds since the retention last finished all its tables; None if it has none to look after
    retention_age: float | None = None
    #: inbox rows by group and state
    inbox: dict[str, dict[str, int]] = field(default_factory=dict)


def store_numbers(connection: Connection) -> StoreNumbers:
    """Count what is open."""
    outbox = outbox_numbers(connection)
    states: dict[str, dict[str, int]] = {}
    counted = select(inbox.c.group_name, inbox.c.state, func.count()).group_by(inbox.c.group_name, inbox.c.state)
    for group, state, count in connection.execute(counted):
        states.setdefault(group, {})[state] = count
    return StoreNumbers(
        dead_letters=_open(connection, "dead", "group_name"),
        parked=_open(connection, "parked", "type"),
        rejected=sum(_open(connection, "rejected", "kind").values()),
        last_letter=connection.execute(select(func.max(letters.c.id))).scalar() or 0,
        unpublished=outbox.unpublished,
        relay_lag=outbox.lag,
        relay_error=outbox.error,
        stopped_keys=outbox.stopped,
        retention_age=connection.execute(
            select(store_now() - func.min(retention.c.succeeded_at)).where(retention.c.what.not_like("%/%"))
        ).scalar(),
        inbox=states,
    )


def _open(connection: Connection, kind: str, by: str) -> dict[str, int]:
    """Open letters of one kind, counted by a column."""
    column = letters.c[by]
    query = select(column, func.count()).where(letters.c.kind == kind, letters.c.state == "open").group_by(column)
    return {str(value or "unknown"): count for value, count in connection.execute(query)}
