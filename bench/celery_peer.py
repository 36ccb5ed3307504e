"""What the lane is measured against: Celery as its users run it, bare, and with the usual inbox in each task.

BENCH_BROKER_URL=... BENCH_DATABASE_URL=... celery -A bench.celery_peer worker -Q celery-bare
"""

import os

import psycopg
from celery import Celery
from kombu import Queue

#: The queue of each task, and of Celery's own messages for it.
BARE, WITH_INBOX = "celery-bare", "celery-inbox"
QUORUM = {"x-queue-type": "quorum"}

app = Celery("peer", broker=os.environ.get("BENCH_BROKER_URL", "amqp://"))
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_queues=[Queue(name, routing_key=name, queue_arguments=QUORUM, no_declare=True) for name in (BARE, WITH_INBOX)],
    worker_prefetch_multiplier=5,
    worker_send_task_events=False,
)

_CLAIM = "insert into bench_inbox (event_id) values (%s) on conflict do nothing returning event_id"
_EFFECT = "insert into bench_orders (order_id, customer, cents) values (%s, %s, %s)"
_connections: list[psycopg.Connection] = []


def _connection() -> psycopg.Connection:
    if not _connections:
        _connections.append(psycopg.connect(os.environ["BENCH_DATABASE_URL"]))
    return _connections[0]


@app.task(name=BARE)  # type: ignore[untyped-decorator]
def bare(order_id: str, customer: str, cents: int) -> None:
    """Do nothing, with no guarantee."""


@app.task(name=WITH_INBOX, bind=True)  # type: ignore[untyped-decorator]
def with_inbox(self: object, order_id: str, customer: str, cents: int) -> None:
    """Claim and effect in one transaction, as written in any blog."""
    connection = _connection()
    with connection.transaction():
        event_id = self.request.id  # type: ignore[attr-defined]
        if connection.execute(_CLAIM, (event_id,)).fetchone() is not None:
            connection.execute(_EFFECT, (order_id, customer, cents))
