"""The turns of relays: everything that they change in the outbox is changed in one, and no two run at a time.

An advisory lock of PostgreSQL, or the one writer of SQLite, sees to that: a turn sees the whole work of those before.
"""

from typing import Any

from millrace.derived import STORE_SECONDS
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, event, func, select, update

from workers.database import begin, connect, reading
from workers.relay_claims import Claimed, claim_rows
from workers.relay_records import Settled, record
from workers.relay_rows import LONGEST_ASIDE_SECONDS, NOW, UNPUBLISHED, first_due
from workers.tables import outbox

#: Any number: turns wait for each other on it (PostgreSQL).
_TURN = 7_126_116
#: In milliseconds: a relay that is stopped in the middle of its turn loses it after that.
_LIMITS = {"statement_timeout": 10_000, "idle_in_transaction_session_timeout": 3_000}


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
        return connection.execute(first_due(1)).first() is not None


def turn(engine: Engine, claim: str, settled: Settled | None, limit: int) -> Claimed:
    """Record what became of the claim before, then claim up to `limit` rows; all of it or nothing."""
    with begin(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_TURN)))
        if settled is not None:
            record(connection, settled)
        return claim_rows(connection, claim, limit) if limit else Claimed()


def heal(engine: Engine) -> None:
    """No row is due later than a relay can have meant: the store's clock was set back, and the row would wait."""
    late = outbox.c.due_at > NOW + LONGEST_ASIDE_SECONDS
    with begin(engine) as connection:
        connection.execute(update(outbox).where(UNPUBLISHED, late).values(due_at=store_now()))
