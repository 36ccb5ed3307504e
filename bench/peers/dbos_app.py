"""DBOS: durable workflows in PostgreSQL; the effect is a transaction of its datasource, which happens once.

python -m bench.peers.dbos_app fill 3000
"""

import os
import signal
import sys
import threading
from typing import Any

from dbos import DBOS, DBOSClient, SQLAlchemyDatasource
from sqlalchemy import text

URL = os.environ.get("BENCH_DATABASE_URL", "").replace("postgresql://", "postgresql+psycopg://")
QUEUE = "orders"
#: Its default of a second is for queues where that is soon enough.
POLLING_SECONDS = 0.1
_EFFECT = text("insert into bench_orders (order_id, customer, cents) values (:order_id, :customer, :cents)")

dbos = DBOS(
    config={
        "name": "peer",
        "system_database_url": URL,
        "application_version": "1",
        "executor_id": str(os.getpid()),  # what tells several processes apart
        "log_level": "WARNING",
    }
)
datasource = SQLAlchemyDatasource.create(URL)


@datasource.transaction
def book(fields: dict[str, Any]) -> None:
    """Write the order."""
    datasource.sql_session().execute(_EFFECT, fields)


@DBOS.workflow(name="order")
def order(fields: dict[str, Any]) -> None:
    """Handle one order."""
    book(fields)


def prepare() -> None:
    """Make its tables and its queue."""
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=POLLING_SECONDS)
    DBOS.destroy()


def fill(count: int) -> None:
    """Let so many workflows wait."""
    client = DBOSClient(system_database_url=URL)
    for number in range(count):
        fields = {"order_id": f"order-{number}", "customer": "customer-1", "cents": 1}
        client.enqueue({"queue_name": QUEUE, "workflow_name": "order", "app_version": "1"}, fields)


def run() -> None:
    """Work until SIGTERM."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    DBOS.launch()
    stopping.wait()
    os._exit(0)  # what runs is recovered, as after a crash


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare"]:
            prepare()
        case ["fill", count]:
            fill(int(count))
        case ["run"]:
            run()
