"""Celery's connection to the broker, made again sooner than Celery would: its pauses grow to half a minute."""

import ssl
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

    def _establish_connection(self) -> Any:
        """Over TLS, want a certificate in the name of the address that is tried; kombu takes one in any name."""
        if self.transport_cls == "amqps":
            self.ssl = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}  # kombu puts the name in
        return super()._establish_connection()  # type: ignore[no-untyped-call]


class ReconnectingAMQP(AMQP):  # type: ignore[misc]
    """Makes Celery use that connection."""

    Connection = ReconnectingConnection
