"""`python -m workers.relay`: publishes what the outbox holds, as recorded, confirmed, oldest first.

While the broker is out, the relay pauses and the rows stay due, so that they go out in their order and at once when it
is back. A row that the broker refused waits by itself: others may pass it.
"""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from millrace.errors import BrokerUnreachable, ConfirmTimeout, PublishError
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender
from millrace.publishing.store_clock import store_now
from prometheus_client import Counter, Gauge
from sqlalchemy import Engine, Row, and_, select, update

from workers.database import begin, connect, reading
from workers.service import run_service
from workers.settings import Settings
from workers.tables import outbox

log = structlog.get_logger("millrace.relay")

#: How often an empty outbox is looked at, in seconds: the latency that it adds.
POLL_SECONDS = 0.05
BATCH = 200
#: How long a refused row waits, at most.
LONGEST_WAIT_SECONDS = 60
#: How long the relay pauses while the broker is out: at first, and at most.
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0

PUBLISHED = Counter("millrace_relay_published_total", "Outbox rows published and confirmed")
FAILED = Counter("millrace_relay_failed_total", "Outbox rows that the broker did not confirm")
LAG = Gauge("millrace_relay_lag_seconds", "Age of the oldest unpublished outbox row")


@dataclass(frozen=True, kw_only=True)
class Round:
    """How many rows were sent, and whether the broker was out for some of them."""

    rows: int
    outage: bool


def run(settings: Settings, stopping: threading.Event) -> None:
    """Publish until stopping; raises what the store raises."""
    engine = connect(settings.database_url)
    sender = Sender(settings.broker_url)
    pause = FIRST_PAUSE_SECONDS
    try:
        while not stopping.is_set():
            done = relay_once(engine, sender)
            LAG.set(lag_seconds(engine))
            if done.outage:
                stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            if not done.rows:
                stopping.wait(POLL_SECONDS)
    finally:
        sender.close()
        engine.dispose()


def relay_once(engine: Engine, sender: Sender) -> Round:
    """Publish the oldest rows that are due and record what was confirmed.

    A crash between confirm and record publishes a row again; its consumers know it by its id.
    """
    due = and_(outbox.c.published_at.is_(None), outbox.c.due_at <= store_now())
    with reading(engine) as connection:
        rows = connection.execute(select(outbox).where(due).order_by(outbox.c.id).limit(BATCH)).fetchall()
    results = sender.send([_message(row) for row in rows])
    if rows:
        _record(engine, rows, results)
    return Round(rows=len(rows), outage=any(_is_outage(error) for error in results))


def _is_outage(error: PublishError | None) -> bool:
    """Whether the broker, not the row, is at fault."""
    return isinstance(error, BrokerUnreachable | ConfirmTimeout)


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
            again: dict[str, Any] = {"error": str(error)[:500]}
            if not _is_outage(error):
                wait = min(2**row.attempts, LONGEST_WAIT_SECONDS)
                again |= {"attempts": row.attempts + 1, "due_at": store_now() + wait}
            elif row.error == again["error"]:
                continue
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(again))
    PUBLISHED.inc(len(confirmed))
    FAILED.inc(len(failed))
    if failed:
        log.warning("not confirmed", rows=len(failed), error=str(failed[0][1])[:300], first=failed[0][0].event_id)


def lag_seconds(engine: Engine) -> float:
    """The age of the first unpublished row; 0 if there is none."""
    waiting = select(store_now() - outbox.c.created_at).where(outbox.c.published_at.is_(None))
    with reading(engine) as connection:
        return float(connection.execute(waiting.order_by(outbox.c.id).limit(1)).scalar() or 0.0)


if __name__ == "__main__":
    sys.exit(run_service("relay", run))
