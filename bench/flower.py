"""Draining while somebody listens to Celery's events, as Flower does."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.contenders import Contender
from bench.draining import drain
from bench.servers import Servers
from bench.spread import Figures

EXCHANGE = "celeryev"
#: Flower's queue has no limit; this one drops the oldest, for nobody reads it.
LISTENER = {"x-max-length": 1_000}


def drain_while_told(servers: Servers, contender: Contender) -> Figures:
    """Drain with a queue bound to all of Celery's events."""
    vhost = servers.peers if contender.group is None else servers.stack.vhost
    with _listener(servers, vhost):
        return drain(servers, contender)


@contextmanager
def _listener(servers: Servers, vhost: str) -> Iterator[None]:
    with servers.channel(vhost) as channel:
        channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False)
        queue = channel.queue_declare("", exclusive=True, arguments=LISTENER).queue
        channel.queue_bind(queue, EXCHANGE, "#")
        yield
