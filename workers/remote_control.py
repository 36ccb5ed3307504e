"""Celery's remote control for broker users that may declare no exchange."""

from typing import Any

from celery.app.control import Control
from kombu.pidbox import Mailbox


class UndeclaredMailbox(Mailbox):
    """Answers without declaring the reply exchange first, which Pulumi has made."""

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
