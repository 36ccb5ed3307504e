"""Celery's remote control for broker users that may declare no exchange, and for connections that come again."""

import uuid
from typing import Any

from celery.app.control import Control
from kombu import Queue
from kombu.pidbox import Mailbox


class UndeclaredMailbox(Mailbox):
    """Answers without declaring the reply exchange first, which Pulumi has made."""

    def get_queue(self, hostname: str) -> Queue:
        """A worker's own queue, by another name for each connection; who is meant is said in each message.

        A lost connection's queue is locked until the broker has noticed, too: where the worker noticed first, or came
        to another node of a cluster, it met its own lock (405), which Celery takes for the worker's end.
        """
        queue: Queue = super().get_queue(f"{hostname}.{uuid.uuid4().hex[:8]}")  # type: ignore[no-untyped-call]
        return queue

    def _publish_reply(
        self,
        reply: Any,
        exchange: str,
        routing_key: str,
        ticket: str,
        channel: Any = None,
        producer: Any = None,
        **options: Any,
    ) -> None:
        channel = channel or self.connection.default_channel  # type: ignore[union-attr]
        headers = {"ticket": ticket, "clock": self.clock.forward()}
        with self.producer_or_acquire(producer, channel) as sender:
            sender.publish(reply, exchange=exchange, routing_key=routing_key, headers=headers, retry=True, **options)


class UndeclaredControl(Control):  # type: ignore[misc]
    """Celery's control with that mailbox."""

    Mailbox = UndeclaredMailbox
