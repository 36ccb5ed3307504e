"""`python -m workers.relay`: publishes what the outbox holds, as recorded, confirmed, oldest first."""

import sys
import threading
from collections.abc import Sequence
from typing import Any

import structlog
from millrace.errors import PublishError
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender
from millrace.publishing.store_clock import store_now
from prometheus_client import Counter, Gauge
from sqlalchemy import Engine, Row, and_, func, select, update

from workers.database import begin, connect, reading
from workers.service import run_service
from workers.settings import Settings
from workers.tables import outbox

log = structlog.get_logger("millrace.relay")

#: How often an empty outbox is looked at, in seconds: the latency that it adds.
POLL_SECONDS = 0.05
BATCH = 200
LONGEST_WAIT_SECONDS = 60

PUBLISHED = Counter("millrace_relay_published_total", "Outbox rows published and confirmed")
FAILED = Counter("millrace_relay_failed_total", "Outbox rows that the broker did not confirm")
LAG = Gauge("millrace_relay_lag_seconds", "Age of the oldest unpublished outbox row")


def run(settings: Settings, stopping: threading.Event) -> None:
    """Publish until stopping; raises what the store raises."""
    engine = connect(settings.database_url)
    sender = Sender(settings.broker_url)
    try:
        while not stopping.is_set():
            if not relay_once(engine, sender):
                LAG.set(lag_seconds(engine))
                stopping.wait(POLL_SECONDS)
    finally:
        sender.close()
        engine.dispose()


def relay_once(engine: Engine, sender: Sender) -> int:
    """Publish the oldest rows that are due and record what was confirmed; returns how many rows it handled.

    A crash between confirm and record publishes a row again; its consumers know it by its id.
    """
    due = and_(outbox.c.published_at.is_(None), outbox.c.due_at <= store_now())
    with reading(engine) as connection:
        rows = connection.execute(select(outbox).where(due).order_by(outbox.c.id).limit(BATCH)).fetchall()
    if rows:
        _record(engine, rows, sender.send([_message(row) for row in rows]))
    return len(rows)


def _message(row: Row[Any]) -> Message:
    return Message(
        exchange=row.exchange,
        routing_key=row.routing_key,
        body=row.body,
        message_id=row.event_id,
        content_type=row.content_type,
        headers=row.headers,
    )


def _record(engine: Engine, rows: Sequence[Row[Any]], results: Sequence[PublishError | None]) -> None:
    confirmed = [row.id for row, error in zip(rows, results, strict=True) if error is None]
    failed = [(row, error) for row, error in zip(rows, results, strict=True) if error is not None]
    with begin(engine) as connection:
        connection.execute(update(outbox).where(outbox.c.id.in_(confirmed)).values(published_at=store_now()))
        for row, error in failed:
            wait = min(2**row.attempts, LONGEST_WAIT_SECONDS)
            again = {"attempts": row.attempts + 1, "due_at": store_now() + wait, "error": str(error)[:500]}
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(again))
    PUBLISHED.inc(len(confirmed))
    FAILED.inc(len(failed))
    if failed:
        log.warning("not confirmed", rows=len(failed), error=str(failed[0][1])[:300], first=failed[0][0].event_id)


def lag_seconds(engine: Engine) -> float:
    """The age of the oldest unpublished row; 0 if there is none."""
    oldest = select(store_now() - func.min(outbox.c.created_at)).where(outbox.c.published_at.is_(None))
    with reading(engine) as connection:
        return float(connection.execute(oldest).scalar() or 0.0)


if __name__ == "__main__":
    sys.exit(run_service("relay", run))
