"""The outbox table: events committed together with a service's own rows, waiting for the relay."""

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

#: A number that grows: BIGINT where there is one, SQLite's rowid otherwise.
GrowingId = BigInteger().with_variant(Integer(), "sqlite")


def outbox_table(metadata: MetaData) -> Table:
    """Define the outbox in the given metadata (times are seconds since 1970 by the store's clock)."""
    table = Table(
        "millrace_outbox",
        metadata,
        Column("id", GrowingId, primary_key=True, autoincrement=True),
        Column("event_id", String(300), nullable=False),
        Column("type", String(200), nullable=False),
        Column("exchange", String(200), nullable=False),
        Column("routing_key", String(255), nullable=False),
        Column("content_type", String(200), nullable=False),
        Column("headers", JSON, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("partition_key", String(300)),
        Column("created_at", Float(53), nullable=False),
        #: not before this time: a message that the broker refused is tried again later
        Column("due_at", Float(53), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("published_at", Float(53)),
        Column("error", Text),
    )
    waiting = table.c.published_at.is_(None)
    Index("millrace_outbox_unpublished", table.c.id, sqlite_where=waiting, postgresql_where=waiting)
    return table
