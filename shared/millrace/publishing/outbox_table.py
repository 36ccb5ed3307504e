"""The outbox table: events committed together with a service's own rows, waiting for the relay."""

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text, and_

#: A number that grows: BIGINT where there is one, SQLite's rowid otherwise.
GrowingId = BigInteger().with_variant(Integer(), "sqlite")


def outbox_table(metadata: MetaData) -> Table:
    """Define the outbox in the given metadata (times are seconds since 1970 by the store's clock).

    A row is written once by a transaction of a service or worker; from then on only relays change it, in
    transactions one after the other (`workers/relay_turns.py`), and only the columns from `due_at` on. With
    `published_at` it is done: nothing looks at it again but `why` and the retention, which may delete it.
    Rows of a partition key go out by `id`: the lowest unpublished one is the key's head, and the key waits while
    its head does (not due, or held).
    """
    table = Table(
        "millrace_outbox",
        metadata,
        #: in the order of the commits within a partition key (`outbox_keys.py`)
        Column("id", GrowingId, primary_key=True, autoincrement=True),
        Column("event_id", String(300), nullable=False),
        Column("type", String(200), nullable=False),
        Column("exchange", String(200), nullable=False),
        Column("routing_key", String(255), nullable=False),
        Column("content_type", String(200), nullable=False),
        Column("headers", JSON, nullable=False),
        Column("body", LargeBinary, nullable=False),
        #: null: no order is kept, and no other row waits for this one
        Column("partition_key", String(300)),
        Column("created_at", Float(53), nullable=False),
        #: not looked at before this time: a row that the broker refused, or one that waits behind its key's head
        Column("due_at", Float(53), nullable=False),
        #: how often the broker has refused the row; an outage does not count
        Column("attempts", Integer, nullable=False),
        #: when its confirm was recorded
        Column("published_at", Float(53)),
        #: why it was not confirmed the last time
        Column("error", Text),
        #: the claim that may record what became of the row: one round of one relay; null if nobody has it
        Column("held_by", String(200)),
        #: until then no other relay takes the row
        Column("held_until", Float(53)),
    )
    waiting = table.c.published_at.is_(None)
    keyed = and_(waiting, table.c.partition_key.is_not(None))
    Index("millrace_outbox_unpublished", table.c.id, sqlite_where=waiting, postgresql_where=waiting)
    Index("millrace_outbox_due", table.c.due_at, table.c.id, sqlite_where=waiting, postgresql_where=waiting)
    Index("millrace_outbox_heads", table.c.partition_key, table.c.id, sqlite_where=keyed, postgresql_where=keyed)
    return table
