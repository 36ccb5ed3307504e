"""Publishing inside a service's own database transaction: the event exists if, and only if, it commits."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Insert, MetaData, insert

from millrace.catalog import CATALOG
from millrace.declarations import Catalog, Payload
from millrace.envelope import Envelope
from millrace.publishing.message import Message, event_message
from millrace.publishing.outbox_table import outbox_table
from millrace.publishing.publisher import public_envelope
from millrace.publishing.store_clock import store_now

_TABLE = outbox_table(MetaData())


class Outbox:
    """Writes events to the table `millrace_outbox` in the caller's transaction; the relay publishes them.

    `source` is the CloudEvents source of the service.
    """

    def __init__(self, connection: Connection, *, source: str = "/outbox", catalog: Catalog = CATALOG) -> None:
        self._connection = connection
        self._source = source
        self._catalog = catalog

    def publish(self, event: Payload | Envelope, *, id: str | None = None, partition_key: str | None = None) -> str:
        """Add one event and return its id; raises InvalidEvent and writes nothing if it is not valid."""
        envelope = public_envelope(event, self._catalog, source=self._source, id=id, partition_key=partition_key)
        self._connection.execute(outbox_row(event_message(envelope), envelope.type, envelope.partitionkey))
        return envelope.id


def outbox_row(message: Message, type_: str | None, partition_key: str | None = None) -> Insert:
    """The statement that adds a message to the outbox."""
    values: Mapping[str, Any] = {
        "event_id": message.message_id,
        "type": type_ or "",
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "content_type": message.content_type,
        "headers": dict(message.headers),
        "body": message.body,
        "partition_key": partition_key,
        "created_at": store_now(),
        "due_at": store_now(),
        "attempts": 0,
    }
    return insert(_TABLE).values(values)
