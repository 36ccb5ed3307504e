"""The tables of Millrace itself; all times are seconds since 1970 by the store's own clock."""

from millrace.publishing.outbox_table import GrowingId, outbox_table
from sqlalchemy import (
    JSON,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

outbox = outbox_table(metadata)

#: One row per (group, source, event id): the claim while it runs, the record of its outcome afterwards.
inbox = Table(
    "millrace_inbox",
    metadata,
    Column("group_name", String(64), primary_key=True),
    Column("source", String(300), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("type", String(200), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    #: running, retrying, processed, discarded or dead-lettered
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("fence", Integer, nullable=False),
    #: running: when another delivery may take over; retrying: when the next attempt is due
    Column("due_at", Float(53), nullable=False),
    Column("error", Text),
    Column("milliseconds", Float(53)),
    Column("traceparent", String(60)),
    Column("first_seen_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
)
Index("millrace_inbox_event", inbox.c.event_id)
#: counts by state, and finds what the retention may remove, oldest first
Index("millrace_inbox_state", inbox.c.group_name, inbox.c.state, inbox.c.updated_at)

#: Effects outside the database: the intent before the call, the outcome after it.
external_calls = Table(
    "millrace_external_calls",
    metadata,
    Column("group_name", String(64), primary_key=True),
    Column("source", String(300), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("provider_key", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("result", JSON),
    Column("updated_at", Float(53), nullable=False),
)

#: What could not be handled, with its bytes as they came: dead letters, parked and rejected events.
letters = Table(
    "millrace_letters",
    metadata,
    Column("id", GrowingId, primary_key=True, autoincrement=True),
    #: dead, parked or rejected
    Column("kind", String(20), nullable=False),
    #: open, replayed, released or discarded
    Column("state", String(20), nullable=False),
    Column("group_name", String(64)),
    Column("source", String(300)),
    Column("event_id", String(300)),
    Column("type", String(200)),
    Column("generation", Integer, nullable=False),
    Column("cause", String(100), nullable=False),
    Column("error", Text),
    Column("stack", Text),
    Column("attempts", Integer),
    Column("worker", String(200)),
    Column("traceparent", String(60)),
    Column("content_type", String(200)),
    Column("headers", JSON, nullable=False),
    Column("routing_key", String(255), nullable=False),
    Column("body", LargeBinary, nullable=False),
    #: what makes a redelivery of the same letter recognizable
    Column("letter_key", String(64), nullable=False),
    Column("received_at", Float(53), nullable=False),
    Column("closed_at", Float(53)),
    UniqueConstraint("letter_key", name="millrace_letters_letter_key"),
)
Index("millrace_letters_open", letters.c.kind, letters.c.state, letters.c.id)
Index("millrace_letters_event", letters.c.event_id)
_closed = letters.c.closed_at.is_not(None)
Index("millrace_letters_closed", letters.c.closed_at, sqlite_where=_closed, postgresql_where=_closed)

#: The index of the stream `accepted`: what was taken in, and when. On PostgreSQL it has partitions by time, and its
#: primary key the time too (PostgreSQL wants it in every key); whoever indexes looks first (workers.storing).
accepted = Table(
    "millrace_accepted",
    metadata,
    Column("source", String(300), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("type", String(200), nullable=False),
    Column("accepted_at", Float(53), nullable=False),
)
Index("millrace_accepted_event", accepted.c.event_id)
Index("millrace_accepted_time", accepted.c.accepted_at)

#: Up to where the keeper has read a stream; moves in the transaction that stores what it read.
stream_offsets = Table(
    "millrace_stream_offsets",
    metadata,
    Column("stream", String(200), primary_key=True),
    Column("next_offset", GrowingId, nullable=False),
)

#: What the retention has removed: of a table, and of a group in the inbox (`inbox/GROUP`), rows older than
#: `removed_before`; `succeeded_at` is its last full round.
retention = Table(
    "millrace_retention",
    metadata,
    Column("what", String(80), primary_key=True),
    Column("removed_before", Float(53), nullable=False),
    Column("succeeded_at", Float(53), nullable=False),
)

#: Up to when nothing that was sent to a group waits or is in hand any more: two looks at its queues, a day apart.
clearances = Table(
    "millrace_clearances",
    metadata,
    Column("group_name", String(64), primary_key=True),
    Column("clear_before", Float(53)),
    Column("next_clear_before", Float(53), nullable=False),
    Column("next_seen_at", Float(53), nullable=False),
)

#: Since when a group takes an event type: it owes an outcome for each one accepted later.
addressed = Table(
    "millrace_addressed",
    metadata,
    Column("group_name", String(64), primary_key=True),
    Column("type", String(200), primary_key=True),
    Column("since", Float(53), nullable=False),
    #: when the keeper last found it in its catalog
    Column("seen_at", Float(53), nullable=False),
)
