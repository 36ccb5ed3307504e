"""The step of Celery's consumer that is the lane: it gathers what has arrived and settles it between two turns."""

import time
from collections import deque
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from millrace.derived import BATCH_SECONDS, STORE_SECONDS
from millrace.envelope import CONTENT_TYPE

from workers.database import connect
from workers.lane.acks import Acks
from workers.lane.batch import Batches, Settled
from workers.lane.bell import Bell
from workers.lane.deliveries import RawDelivery
from workers.lane.entry import FIRST_WAYS, Entry
from workers.lane.frames import take_in, waits_for_more
from workers.lane.telling import tell
from workers.received import Delivery
from workers.runtime import Runtime

#: A stopping lane begins no batch later than this; what it still holds goes back to the queue.
_FINISHING_SECONDS = 4 * BATCH_SECONDS


class Lane(bootsteps.StartStopStep):  # type: ignore[misc]
    """Settles in batches what comes on one connection; what is not fit for a batch goes the consumer's other way."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        runtime: Runtime = consumer.runtime
        assert runtime.lane is not None
        self._size = runtime.lane.batch
        self._group = runtime.group.name
        engine = connect(runtime.settings.database_url, patience=STORE_SECONDS, forks=True, ping=False)
        self._batches = Batches(runtime, engine, self._size)
        self._consumer = consumer
        self._waiting: deque[Entry] = deque()
        #: of the connection's channel
        self.acks = Acks(None)
        self._turn_is_due = False
        self._bell = Bell()
        consumer.lane = self

    def start(self, consumer: Any) -> None:
        """Begin anew on a connection; whatever came on another one comes again."""
        self._waiting.clear()
        self.acks = Acks(consumer.task_consumer.channel)
        self._turn_is_due = False

    def stop(self, consumer: Any) -> None:
        """Take nothing more; if the worker ends, commit and ack what has come, else forget it.

        What is on its way is committed in either case: without its connection it comes again, and is absorbed.
        """
        if consumer.blueprint.state == bootsteps.CLOSE:
            self._finish(consumer)
        else:
            tell(self._batches.end().committed, self._group, None)
        self._waiting.clear()

    def _finish(self, consumer: Any) -> None:
        """Settle what waits; what fails now goes back to the queue, for there is no pool any more to run it."""
        consumer.task_consumer.cancel()
        until = time.monotonic() + _FINISHING_SECONDS
        while self._waiting and time.monotonic() < until:
            self._settle(self._batches.begin(self._waiting))
        self._settle(self._batches.end())
        consumer.event_dispatcher.flush()

    def take(self, entry: Entry) -> None:
        """Let an event wait for the next batch, which begins as soon as the loop turns."""
        self._waiting.append(entry)
        self._turn_soon()

    def register_with_event_loop(self, _consumer: Any, hub: Any) -> None:
        """Read by ourselves: Celery's reader takes one message at a time, and each time that it is woken once more."""
        hub.add_reader(self._consumer.connection.connection.sock, self._read, hub)
        self._bell.hang_in(hub)

    def _read(self, hub: Any) -> None:
        connection = self._consumer.connection
        if not self._take_in() and not waits_for_more(connection.connection):
            connection.transport.on_readable(connection.connection, hub)

    def _take_in(self) -> bool:
        consumer = self._consumer
        return take_in(consumer.connection.connection, consumer.task_consumer.channel.channel_id, self._take_usual)

    def _take_usual(self, raw: RawDelivery) -> bool:
        """Take a delivery at once if all about it is as usual; else py-amqp brings it to the guard."""
        place = raw.usual(FIRST_WAYS)
        if place is None:
            return False
        tag, exchange = place
        delivery = Delivery(body=raw.body, content_type=CONTENT_TYPE, headers={}, properties={}, exchange=exchange)
        received = self._consumer.guard.usual(delivery)
        if received is None:
            return False
        self._consumer.came += 1
        self.acks.arrived(tag)
        self.take(Entry(tag, received, raw, self._consumer.task_consumer.channel))
        return True

    def _turn_soon(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self._consumer.hub.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        if not self._consumer.connection.connected:
            return  # a connection's last turn: its acks would be lost
        self._gather()
        self._hand_on(self._batches.begin(self._waiting))
        self._gather()
        if self._waiting:
            self._turn_soon()
            self._bell.ring()
        else:
            self._hand_on(self._batches.end())

    def _gather(self) -> None:
        """Take in what has arrived meanwhile; no more is waited for."""
        while len(self._waiting) < self._size and self._take_in():
            pass

    def _hand_on(self, settled: Settled) -> None:
        """Settle, and let the pool run what is left aside, one by one."""
        for entry in self._settle(settled):
            self.acks.arrived(entry.tag, entry.message)
            self._consumer.run_singly(entry.message, entry.received)

    def _settle(self, settled: Settled) -> list[Entry]:
        """Ack and tell what was committed; returns the events that are left to run one by one."""
        try:
            self.acks.ack(entry.tag for each in settled.committed for entry in each.entries)
        finally:
            tell(settled.committed, self._group, self._consumer.event_dispatcher)
        return settled.aside
