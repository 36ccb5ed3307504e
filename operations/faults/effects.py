"""The table that effects are counted in: without a unique constraint, which would hide an effect done twice."""

import functools
import os

from millrace.publishing.store_clock import store_now
from sqlalchemy import BigInteger, Column, Engine, Float, Insert, Integer, MetaData, String, Table, insert

from workers.database import begin, connect
from workers.work import UnitOfWork

metadata = MetaData()
effects = Table(
    "fault_effects",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("group_name", String(64), nullable=False),
    #: what the producer calls the event that began it all
    Column("subject", String(200), nullable=False, index=True),
    Column("event_id", String(200), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Float(53), nullable=False),
)


def add_effect(work: UnitOfWork, group: str, subject: str) -> None:
    """Defer one effect of the event in hand to its transaction."""
    work.execute(_effect(work, group, subject))


def write_effect(work: UnitOfWork, group: str, subject: str) -> None:
    """Commit one effect now, in a transaction of its own: what a handler does that has a lesser inbox."""
    with begin(_engine()) as connection:
        connection.execute(_effect(work, group, subject))


def _effect(work: UnitOfWork, group: str, subject: str) -> Insert:
    own = {"group_name": group, "subject": subject, "event_id": work.event.id}
    return insert(effects).values({**own, "attempt": work.attempt, "at": store_now()})


@functools.cache
def _engine() -> Engine:
    return connect(os.environ["MILLRACE_DATABASE_URL"])
