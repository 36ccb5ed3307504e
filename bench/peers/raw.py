"""No framework: a client that decodes each body and acks, each message by itself or fifty at once.

python -m bench.peers.raw pika|amqp 1|50
"""

import json
import os
import signal
import sys
from typing import Any

from bench.peers.work import work

PREFETCH = 200
_QUEUE = os.environ.get("BENCH_QUEUE", "bench-raw")


class Acks:
    """Acks every so many messages."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._open = 0

    def due(self) -> bool:
        """Count one more; whether to ack now."""
        self._open += 1
        if self._open < self._each:
            return False
        self._open = 0
        return True


def pika_client(acks: Acks) -> None:
    """The blocking connection of pika."""
    import pika  # noqa: PLC0415 (each process has one of the two)

    connection = pika.BlockingConnection(pika.URLParameters(os.environ["BENCH_BROKER_URL"]))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=PREFETCH)

    def handle(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        work("", json.loads(body))
        if acks.due():
            channel.basic_ack(method.delivery_tag, multiple=True)

    channel.basic_consume(_QUEUE, handle)
    channel.start_consuming()


def amqp_client(acks: Acks) -> None:
    """py-amqp, which Celery uses, by itself."""
    import amqp  # noqa: PLC0415 (each process has one of the two)
    from kombu import Connection  # noqa: PLC0415 (it reads the URL)

    connection = Connection(os.environ["BENCH_BROKER_URL"]).connect()
    assert isinstance(connection, amqp.Connection)
    channel = connection.channel()
    channel.basic_qos(0, PREFETCH, False)

    def handle(message: Any) -> None:
        work("", json.loads(message.body))
        if acks.due():
            channel.basic_ack(message.delivery_tag, multiple=True)

    channel.basic_consume(_QUEUE, callback=handle)
    while True:
        connection.drain_events()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    {"pika": pika_client, "amqp": amqp_client}[sys.argv[1]](Acks(int(sys.argv[2])))
