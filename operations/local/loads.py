"""What each group has to do, from the broker: statistics of all queues, and for groups asleep what waits right now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping

import amqp
from millrace import names
from millrace.derived import SEND_SECONDS
from millrace.errors import BrokerUnreachable
from millrace.publishing.addresses import connect_broker
from millrace.scaling import Load

from operations.queue_numbers import QueueNumbers, queue_numbers
from workers.broker_state import BrokerUnreadable

#: What a broker that is out is told by.
BROKER_ERRORS = (OSError, amqp.AMQPError, BrokerUnreachable, BrokerUnreadable)


def statistics(monitoring_url: str, vhost: str) -> Callable[[str], Load]:
    """The load of any group, as the broker's statistics have it, which are seconds old; raises BrokerUnreadable."""
    return loads(queue_numbers(monitoring_url, vhost, patience=SEND_SECONDS))


def loads(queues: Mapping[str, QueueNumbers]) -> Callable[[str], Load]:
    """The load of any group, given the numbers of all queues; none at all for a queue that is not there yet."""

    def load(group: str) -> Load:
        queue = queues.get(names.group_queue(group), QueueNumbers())
        return Load(ready=queue.ready, unacknowledged=queue.unacknowledged, rate=queue.arrivals)

    return load


class Sleepers:
    """Asks how much waits in the queues of groups that have no worker; nothing else tells that within seconds.

    Without heartbeats: for minutes there may be nothing to ask, and a dead line is noticed by the next question.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: amqp.Connection | None = None
        self._channel: amqp.Channel | None = None

    def awake(self, groups: Iterable[str]) -> dict[str, Load]:
        """The groups of these in whose queues something waits; raises one of BROKER_ERRORS.

        A queue that is not there yet has nothing in it.
        """
        try:
            return {group: Load(ready=count, unacknowledged=0) for group in groups if (count := self._waiting(group))}
        except BROKER_ERRORS:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(*BROKER_ERRORS):
                connection.collect()

    def _waiting(self, group: str) -> int:
        try:
            return int(self._open().queue_declare(names.group_queue(group), passive=True).message_count)
        except amqp.NotFound:
            self._channel = None  # the broker has closed it
            return 0

    def _open(self) -> amqp.Channel:
        if self._connection is None:
            limits = {"connect_timeout": SEND_SECONDS, "read_timeout": SEND_SECONDS, "write_timeout": SEND_SECONDS}
            self._connection = connect_broker(self._url, heartbeat=0, **limits)
        if self._channel is None:
            self._channel = self._connection.channel()
        return self._channel
