"""Services publish through the outbox while the broker is in a memory alarm: they notice nothing, nothing is lost.

The usual run is short. For the long one, which also asserts the callers' p99:
`MILLRACE_ALARM=500x60 python -m pytest -s tests/integration/workers/test_outbox_alarm.py` (500 events in 60 s).
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from millrace.publishing import Outbox
from sqlalchemy import create_engine, func, select, text

from operations.store_numbers import StoreNumbers, store_numbers
from tests.conftest import FRESH_STATISTICS
from tests.integration.workers.sample_catalog import CATALOG, OrderPlaced
from tests.integration.workers.stack import Stack, running, until
from tests.postgres_server import fresh_database
from tests.real_servers import own_broker
from workers.database import connect, reading
from workers.tables import outbox

pytestmark = pytest.mark.long

EVENTS, SECONDS = (int(part) for part in os.environ.get("MILLRACE_ALARM", "50x4").split("x"))
LONG = "MILLRACE_ALARM" in os.environ
MOST_SECONDS = 0.050
#: No machine has so little memory that a running broker keeps below it; what the broker has by default.
ALARMING, USUAL = "0.00001", "0.4"


@dataclass(frozen=True, kw_only=True)
class Alarmed:
    """A stack on a broker of its own that can be brought into a memory alarm, and out of it."""

    stack: Stack
    control: Callable[..., None]

    def alarm(self, share: str) -> None:
        """Set the share of memory from which on the broker stops reading what is published."""
        self.control("set_vm_memory_high_watermark", share)
        wanted = share == ALARMING
        with self.stack.broker.management() as client:
            until(lambda: client.get("/api/nodes").json()[0].get("mem_alarm") is wanted, what="the alarm, or its end")


@pytest.fixture
def alarmed(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alarmed]:
    directory: Path = tmp_path_factory.mktemp("node")
    with (
        own_broker(directory, (FRESH_STATISTICS,)) as (broker, control),
        fresh_database(postgres_url) as url,
        running(Stack(broker, url, tmp_path_factory.mktemp("stack"), "alarmed")) as stack,
    ):
        yield Alarmed(stack=stack, control=control)


def publish(url: str) -> list[float]:
    """A service's transactions, spread evenly; how long each of them took, in seconds."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))
    lasted, began = [], time.monotonic()
    for number in range(EVENTS):
        time.sleep(max(0.0, began + number * SECONDS / EVENTS - time.monotonic()))
        start = time.monotonic()
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO orders VALUES (:id)"), {"id": number})
            event = OrderPlaced(order_id=str(number))
            Outbox(connection, source="/shop", catalog=CATALOG).publish(event, partition_key=f"customer-{number % 7}")
        lasted.append(time.monotonic() - start)
    engine.dispose()
    return lasted


@pytest.mark.timeout(180 + 2 * SECONDS)
def test_the_callers_transactions_go_on_and_all_is_processed_after_the_alarm(alarmed: Alarmed) -> None:
    stack = alarmed.stack
    stack.start_relay()
    stack.start_worker("ledger")
    stack.consuming("ledger")
    alarmed.alarm(ALARMING)
    try:
        lasted = publish(stack.database_url)
        until(lambda: "no confirm" in (numbers(stack).relay_error or ""), what="the relay's error in the status")
        assert numbers(stack).unpublished == EVENTS
        assert numbers(stack).relay_lag > SECONDS / 2
        assert stack.count("ledger") == (0, 0)
    finally:
        over = time.monotonic()
        alarmed.alarm(USUAL)
    until(lambda: stack.rows(select(func.count()).where(outbox.c.published_at.is_(None)))[0][0] == 0, what="no rest")
    published = time.monotonic() - over
    until(lambda: stack.count("ledger") == (EVENTS, EVENTS), what="all of them, processed", seconds=60)
    processed = time.monotonic() - over
    assert all(process.poll() is None for process in stack.processes.values())
    p50, p99 = statistics.median(lasted), statistics.quantiles(lasted, n=100)[98]
    print(
        f"{EVENTS} events during {SECONDS} s of alarm: the callers' transactions took {p50 * 1000:.1f} ms (p50), "
        f"{p99 * 1000:.1f} ms (p99), {max(lasted) * 1000:.1f} ms (longest); "
        f"all published {published:.1f} s and processed {processed:.1f} s after its end was asked for"
    )
    assert p99 < MOST_SECONDS or not LONG


def numbers(stack: Stack) -> StoreNumbers:
    """What `millrace status` would show of the store."""
    engine = connect(stack.database_url)
    try:
        with reading(engine) as connection:
            return store_numbers(connection)
    finally:
        engine.dispose()
