"""Celery's connection to the broker, made again sooner than Celery would: its pauses grow to half a minute."""

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection
from millrace.derived import RECONNECT_SECONDS


class ReconnectingConnection(Connection):
    """A connection with pauses of a few seconds between two rounds of tries, address by address."""

    def ensure_connection(self, *args: Any, **options: Any) -> Connection:
        """Connect to the first address that takes it."""
        pauses = {"interval_start": 1, "interval_step": 1, "interval_max": RECONNECT_SECONDS}
        connected: Connection = super().ensure_connection(*args, **{**pauses, **options})  # type: ignore[no-untyped-call]
        return connected


class ReconnectingAMQP(AMQP):  # type: ignore[misc]
    """Makes Celery use that connection."""

    Connection = ReconnectingConnection
