"""`python -m workers.keeper`: empties the transit queues into `letters`, indexes `accepted`, releases what was parked.

A message is acked after the transaction that stored it; with the store down, messages wait in their queues.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import amqp
import structlog
from millrace import names
from millrace.declarations import Catalog
from millrace.derived import HEARTBEAT_SECONDS, SILENCE_SECONDS
from millrace.publishing.addresses import connect_broker
from prometheus_client import Counter
from sqlalchemy import Engine, select

from workers.database import begin, connect, reading
from workers.filing import accepted_row, letter_row, mark_of
from workers.letters import OPEN, PARKED, release
from workers.received import trusted_users
from workers.reconciliation import note_addressed
from workers.retention import retaining
from workers.service import run_service
from workers.settings import Settings
from workers.storing import Batch, Filed, store
from workers.tables import letters, stream_offsets
from workers.undecodable import delivery_of, keep_undecodable

log = structlog.get_logger("millrace.keeper")

PREFETCH = 200
WAIT_SECONDS = 0.5
#: The stream's answer to a question comes within this; later, it is read from its start, which only costs time.
PROBE_SECONDS = 3.0
#: How many parked events are released in one transaction.
RELEASE_BATCH = 200

STORED = Counter("millrace_letters_total", "Letters stored", ["kind"])
INDEXED = Counter("millrace_accepted_total", "Accepted events indexed")


class Keeper:
    """One connection that consumes every transit queue and the stream."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._catalog: Catalog = settings.load_catalog()
        self._trusted = trusted_users(self._catalog, settings.vhost)
        self._engine = engine
        self._batch = Batch()
        #: how many letters this keeper has stored or recognized
        self.letters_seen = 0
        self._connection = connect_broker(
            settings.broker_url, connect_timeout=10, read_timeout=SILENCE_SECONDS, heartbeat=HEARTBEAT_SECONDS
        )
        self._channel = self._connection.channel()
        self._channel.basic_qos(0, PREFETCH, False)
        groups = (*self._catalog.groups, *self._catalog.functions)
        for queue in (*(names.dead_queue(group.name) for group in groups), names.PARKED, names.REJECTED):
            self._channel.basic_consume(queue, callback=self._letter_came(queue), on_cancel=self._cancelled)
        offset = {"x-stream-offset": self._offset()}
        self._channel.basic_consume(
            names.ACCEPTED, callback=self._accepted_came, arguments=offset, on_cancel=self._cancelled
        )

    def close(self) -> None:
        """Close the connection; what was not acked goes back to its queue."""
        with contextlib.suppress(OSError, amqp.AMQPError):
            self._connection.close()

    def round(self) -> None:
        """Wait a little for messages, store what has come in one transaction, ack it, release what has a group now."""
        self._receive(WAIT_SECONDS)
        while 0 < self._batch.size < PREFETCH and self._receive(0.01):
            pass
        batch, self._batch = self._batch, Batch()
        if batch.size:
            with begin(self._engine) as connection:
                store(connection, batch)
            self._channel.basic_ack(batch.last_tag, multiple=True)
            INDEXED.inc(len(batch.accepted))
            self.letters_seen += len(batch.letters)
            for filed in batch.letters:
                STORED.labels(filed.row["kind"]).inc()
                shown = {name: filed.row[name] for name in ("kind", "group_name", "event_id", "type", "cause")}
                log.warning("letter", **{name: value for name, value in shown.items() if value is not None})
        self._connection.heartbeat_tick()
        release_parked(self._engine, self._catalog)

    def _receive(self, seconds: float) -> bool:
        try:
            self._connection.drain_events(timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _offset(self) -> int:
        query = select(stream_offsets.c.next_offset).where(stream_offsets.c.stream == names.ACCEPTED)
        with reading(self._engine) as connection:
            stored = int(connection.execute(query).scalar() or 0)
        if stored and not self._has(stored - 1):
            log.warning("the stream is another one than was read before, reading it from its start", stored=stored)
            return 0
        return stored

    def _has(self, offset: int) -> bool:
        """Whether the stream still has this offset, or a later one: one that was made anew has neither."""
        found: list[amqp.Message] = []
        channel = self._connection.channel()
        channel.basic_qos(0, 1, False)
        channel.basic_consume(names.ACCEPTED, callback=found.append, arguments={"x-stream-offset": offset})
        deadline = time.monotonic() + PROBE_SECONDS
        while not found and time.monotonic() < deadline:
            self._receive(0.1)
        channel.close()
        return bool(found)

    def _letter_came(self, queue: str) -> Any:
        def came(message: amqp.Message) -> None:
            delivery = delivery_of(message)
            row = letter_row(queue, message.delivery_info["routing_key"], delivery, self._catalog, self._trusted)
            marked = mark_of(queue, delivery.headers) is not None
            again = bool(message.delivery_info["redelivered"])
            self._batch.letters.append(Filed(row=row, marked=marked, redelivered=again))
            self._note(message)

        return came

    def _accepted_came(self, message: amqp.Message) -> None:
        delivery = delivery_of(message)
        row = accepted_row(message.delivery_info["routing_key"], delivery, self._catalog)
        if row is not None:
            self._batch.accepted.append(row)
        offset = delivery.headers.get("x-stream-offset")  # not there if the properties could not be decoded
        if isinstance(offset, int):
            self._batch.next_offset = offset + 1
        self._note(message)

    def _note(self, message: amqp.Message) -> None:
        self._batch.last_tag = message.delivery_info["delivery_tag"]
        self._batch.size += 1

    def _cancelled(self, tag: str) -> None:
        raise ConnectionError(f"the broker cancelled consumer {tag}: its queue was deleted or moved")


def release_parked(engine: Engine, catalog: Catalog) -> int:
    """Release parked events for whose type there is a group now, oldest first; returns how many."""
    types = [event.type for event in catalog.events if catalog.groups_for(event.type)]
    ids = parked_ids(engine, types)
    if not ids:
        return 0
    with begin(engine) as connection:
        released = release(connection, ids)
    log.info("released", events=released)
    return released


def parked_ids(engine: Engine, types: Sequence[str]) -> list[int]:
    """The oldest open parked letters of these types."""
    chosen = (letters.c.kind == PARKED, letters.c.state == OPEN, letters.c.type.in_(types))
    with reading(engine) as connection:
        query = select(letters.c.id).where(*chosen).order_by(letters.c.id).limit(RELEASE_BATCH)
        return list(connection.execute(query).scalars())


def run(settings: Settings, stopping: threading.Event) -> None:
    """Keep until stopping; raises what the broker or the store raise."""
    keep_undecodable()
    engine = connect(settings.database_url)
    try:
        note_addressed(engine, settings.load_catalog())
        keeper = Keeper(settings, engine)
        with contextlib.closing(keeper), retaining(settings):
            while not stopping.is_set():
                keeper.round()
    finally:
        engine.dispose()


if __name__ == "__main__":
    sys.exit(run_service("keeper", run))
