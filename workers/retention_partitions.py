"""The partitions of the index of accepted events on PostgreSQL: one a week, made ahead, dropped when all in it is old.

What falls into no week's partition is in the default one: nothing fails if nobody makes partitions.
"""

import re
from datetime import UTC, datetime

import structlog
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, Engine, MetaData, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from workers.database import begin, is_outage, reading
from workers.tables import accepted

log = structlog.get_logger("millrace.retention")

WEEK_SECONDS = 7 * 86_400
WEEKS_AHEAD = 4
DEFAULT = accepted.to_metadata(MetaData(), name="millrace_accepted_default")

_WEEK = re.compile(r"millrace_accepted_(\d{8})")
#: Any number: those who make or drop partitions at the same time give way to each other.
_LOCK = 7_126_117
#: What PostgreSQL says of a range that the default partition has rows of.
_TAKEN = "23514"


def week_name(start: float) -> str:
    """The partition that begins at a time, which must be the beginning of a day."""
    return f"millrace_accepted_{datetime.fromtimestamp(start, UTC):%Y%m%d}"


def make_weeks(engine: Engine) -> None:
    """Make the partitions of this week and the next ones, where the default one has no rows of them yet."""
    if engine.dialect.name != "postgresql":
        return
    with reading(engine) as connection:
        first = connection.execute(select(store_now())).scalar_one() // WEEK_SECONDS * WEEK_SECONDS
        there = _weeks(connection)
    for start in (int(first) + WEEK_SECONDS * ahead for ahead in range(WEEKS_AHEAD)):
        if week_name(start) not in there:
            _make(engine, start)


def _make(engine: Engine, start: int) -> None:
    made = f"CREATE TABLE IF NOT EXISTS {week_name(start)} PARTITION OF millrace_accepted"
    try:
        with begin(engine) as connection:
            if _alone(connection):
                connection.execute(text(f"{made} FOR VALUES FROM ({start}) TO ({start + WEEK_SECONDS})"))
    except DBAPIError as error:
        if is_outage(error) or getattr(error.orig, "sqlstate", None) != _TAKEN:
            raise


def drop_weeks(engine: Engine, cutoff: float) -> int:
    """Drop the partitions in which all is older than the cutoff; returns how many rows they had.

    It waits for the table no longer than the engine's patience, and only those who index or look up wait for it.
    """
    if engine.dialect.name != "postgresql":
        return 0
    with reading(engine) as connection:
        old = [name for name, end in _weeks(connection).items() if end <= cutoff]
    return sum(_drop(engine, name) for name in old)


def _drop(engine: Engine, name: str) -> int:
    with reading(engine) as connection:
        rows = int(connection.execute(select(func.count()).select_from(text(name))).scalar_one())
    with begin(engine) as connection:
        if not _alone(connection):
            return 0
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    log.info("dropped", partition=name, rows=rows)
    return rows


def _alone(connection: Connection) -> bool:
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK))).scalar_one())


def _weeks(connection: Connection) -> dict[str, float]:
    """The partitions by name, each with its end."""
    found = {}
    for name in inspect(connection).get_table_names():
        if week := _WEEK.fullmatch(name):
            start = datetime.strptime(week[1], "%Y%m%d").replace(tzinfo=UTC).timestamp()
            found[name] = start + WEEK_SECONDS
    return found
