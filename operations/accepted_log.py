"""The log of accepted events itself, read again from the broker: is all that it holds in the index?"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import amqp
from millrace import names
from millrace.declarations import Catalog
from millrace.derived import HEARTBEAT_SECONDS
from millrace.errors import BrokerUnreachable
from millrace.publishing.addresses import connect_broker
from sqlalchemy import Engine, select

from operations.reconciliation import Finding
from workers.database import reading
from workers.filing import accepted_row
from workers.received import Delivery, body_bytes
from workers.tables import accepted, retention, stream_offsets
from workers.undecodable import keep_undecodable

#: The log tells times a little too early: its smallest unit is a chunk of messages.
_ROOM_SECONDS = 3600.0
#: The log has come to its end, or is not read at all, if nothing comes for so long.
_SILENCE_SECONDS = 5.0
_BATCH = 1000

Entry = tuple[int, dict[str, Any] | None]


@dataclass
class AcceptedLog:
    """One reading of the log from a time on (0: all of it); `messages` counts what was compared.

    Raises BrokerUnreachable if the log cannot be read to where it ended at the start.
    """

    broker_url: str
    engine: Engine
    catalog: Catalog
    since: float = 0.0
    messages: int = 0

    def findings(self) -> Iterator[Finding]:
        """Each event that the keeper has read and the index does not have."""
        with reading(self.engine) as connection:
            removed = select(retention.c.removed_before).where(retention.c.what == "accepted")
            kept = connection.execute(removed).scalar() or 0.0
            offset = select(stream_offsets.c.next_offset).where(stream_offsets.c.stream == names.ACCEPTED)
            read = int(connection.execute(offset).scalar() or 0)
        begin = max(self.since, kept + _ROOM_SECONDS if kept else 0.0)
        batch: list[dict[str, Any]] = []
        for at, row in self._entries(begin, read - 1):
            self.messages += 1
            batch += [row] if row is not None and at < read else []
            if len(batch) >= _BATCH:
                yield from self._not_indexed(batch)
                batch = []
        yield from self._not_indexed(batch)

    def _not_indexed(self, batch: list[dict[str, Any]]) -> Iterator[Finding]:
        ids = {row["event_id"] for row in batch}
        with reading(self.engine) as connection:
            query = select(accepted.c.source, accepted.c.event_id).where(accepted.c.event_id.in_(ids))
            there = {(row.source, row.event_id) for row in connection.execute(query)}
        for row in {(row["source"], row["event_id"]): row for row in batch}.values():
            if (row["source"], row["event_id"]) not in there:
                unknown = dict.fromkeys(("accepted_at", "age_seconds", "state", "attempts", "updated_at", "error"))
                yield {**row, "group": None, **unknown, "reason": "in the log of accepted events, not in its index"}

    def _entries(self, begin: float, last: int) -> Iterator[Entry]:
        """Offset and index row of each message from a time up to an offset."""
        if last < 0:
            return
        keep_undecodable()
        options = {"connect_timeout": 10, "read_timeout": 30, "heartbeat": HEARTBEAT_SECONDS}
        connection = connect_broker(self.broker_url, **options)
        try:
            came: list[amqp.Message] = []
            channel = connection.channel()
            channel.basic_qos(0, _BATCH, False)
            at = {"x-stream-offset": datetime.fromtimestamp(begin, UTC) if begin else "first"}
            channel.basic_consume(names.ACCEPTED, callback=came.append, arguments=at)
            offset = -1
            while offset < last:
                try:
                    connection.drain_events(timeout=_SILENCE_SECONDS)
                except TimeoutError:
                    raise BrokerUnreachable(f"the log must be read up to offset {last}, got to {offset}") from None
                for message in came:
                    offset, row = self._entry(message)
                    yield offset, row
                    channel.basic_ack(message.delivery_info["delivery_tag"])
                came.clear()
        finally:
            with contextlib.suppress(OSError, amqp.AMQPError):
                connection.close()

    def _entry(self, message: amqp.Message) -> Entry:
        properties = dict(message.properties)
        headers = properties.pop("application_headers", None) or {}
        delivery = Delivery(
            body=body_bytes(message.body),
            content_type=properties.get("content_type"),
            headers=headers,
            properties=properties,
        )
        row = accepted_row(message.delivery_info["routing_key"], delivery, self.catalog)
        return int(headers.get("x-stream-offset", -1)), row
