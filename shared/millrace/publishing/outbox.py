"""Publishing inside a service's own database transaction: the event exists if, and only if, it commits."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, MetaData, insert

from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope
from millrace.publishing.checked import public_envelope
from millrace.publishing.message import Message, event_message
from millrace.publishing.outbox_keys import hold_keys
from millrace.publishing.outbox_table import outbox_table
from millrace.publishing.store_clock import store_now

#: Inline: nobody asks for the id, and in a pipeline nobody could.
_ADD = insert(outbox_table(MetaData())).values(created_at=store_now(), due_at=store_now()).inline()


class Outbox:
    """Writes events to the table `millrace_outbox` in the caller's transaction; the relay publishes them.

    `source` is the CloudEvents source of the service. Events of one partition key are published in the order of their
    commits; for that, a transaction that writes a key waits for the end of another that has written it: publish last,
    and several keys with one `publish_many` (in different orders, PostgreSQL ends one of the two as a deadlock).
    """

    def __init__(self, connection: Connection, *, source: str = "/outbox", catalog: Catalog = CATALOG) -> None:
        self._connection = connection
        self._source = source
        self._catalog = catalog

    def publish(self, event: Payload | Envelope, *, id: str | None = None, partition_key: str | None = None) -> str:
        """Add one event and return its id; raises InvalidEvent and writes nothing if it is not valid."""
        envelope = self._envelope(event, id, partition_key)
        add_messages(self._connection, [(event_message(envelope), envelope)])
        return envelope.id

    def publish_many(self, events: Iterable[Payload | Envelope], *, partition_key: str | None = None) -> list[str]:
        """Add all and return their ids, in order; raises InvalidEvent and writes nothing if one is not valid."""
        envelopes = [self._envelope(event, None, partition_key) for event in events]
        add_messages(self._connection, [(event_message(envelope), envelope) for envelope in envelopes])
        return [envelope.id for envelope in envelopes]

    def _envelope(self, event: Payload | Envelope, id: str | None, partition_key: str | None) -> Envelope:
        return public_envelope(event, self._catalog, source=self._source, id=id, partition_key=partition_key)


def add_messages(connection: Connection, messages: Sequence[tuple[Message, Envelope]]) -> None:
    """Add messages with what they carry, in order; their partition keys are held until the transaction ends."""
    if not messages:
        return
    hold_keys(connection, (envelope.partitionkey for _, envelope in messages))
    rows = [_recorded(message, envelope.type, envelope.partitionkey) for message, envelope in messages]
    connection.execute(_ADD, rows)


def outbox_row(message: Message, type_: str | None) -> Insert:
    """The statement that adds a message without a partition key to the outbox."""
    return _ADD.values(_recorded(message, type_, None))


def _recorded(message: Message, type_: str | None, partition_key: str | None) -> dict[str, Any]:
    return {
        "event_id": message.message_id,
        "type": type_ or "",
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "content_type": message.content_type,
        "headers": dict(message.headers),
        "body": message.body,
        "partition_key": partition_key,
        "attempts": 0,
    }
