"""Handlers of groups that are scaled; each leaves one row, with what ran it."""

import os

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

EFFECTS = Table(
    "scaled_effects",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("event_id", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("process", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
)


def process() -> int:
    """The worker, of which this is one process."""
    return os.getppid()
