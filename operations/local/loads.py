"""What each group has to do, from the broker: statistics of all queues, and for groups asleep what waits right now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import amqp
from millrace import names
from millrace.scaling import Load

from operations.queue_numbers import QueueNumbers, queue_numbers


def statistics(monitoring_url: str, vhost: str) -> Callable[[str], Load]:
    """The load of any group, as the broker's statistics have it, which are seconds old; raises BrokerUnreadable."""
    return loads(queue_numbers(monitoring_url, vhost))


def loads(queues: Mapping[str, QueueNumbers]) -> Callable[[str], Load]:
    """The load of any group, given the numbers of all queues; none at all for a queue that is not there yet."""

    def load(group: str) -> Load:
        queue = queues.get(names.group_queue(group), QueueNumbers())
        return Load(ready=queue.ready, unacknowledged=queue.unacknowledged, rate=queue.arrivals)

    return load


class Sleepers:
    """Asks how much waits in the queues of groups that have no worker; nothing else tells that within seconds."""

    def __init__(self, connection: amqp.Connection) -> None:
        self._connection = connection
        self._channel: amqp.Channel | None = None

    def awake(self, groups: Iterable[str]) -> dict[str, Load]:
        """The groups of these in whose queues something waits; raises OSError or AMQPError if the broker is out.

        A queue that is not there yet has nothing in it.
        """
        return {group: Load(ready=count, unacknowledged=0) for group in groups if (count := self._waiting(group))}

    def _waiting(self, group: str) -> int:
        self._channel = self._channel or self._connection.channel()
        try:
            return int(self._channel.queue_declare(names.group_queue(group), passive=True).message_count)
        except amqp.NotFound:
            self._channel = None  # the broker has closed it
            return 0
