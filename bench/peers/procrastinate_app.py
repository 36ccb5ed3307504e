"""Procrastinate: a queue in PostgreSQL, whose jobs and the effects of this benchmark lie in one database.

python -m bench.peers.procrastinate_app fill 3000
"""

import asyncio
import os
import sys
from typing import Any

from procrastinate import App, PsycopgConnector

from bench.peers.work import work_async

CHUNK = 500
#: Jobs that one worker runs at a time: the documentation advises more than one for asynchronous tasks.
CONCURRENCY = 10

app = App(connector=PsycopgConnector(conninfo=os.environ.get("BENCH_DATABASE_URL", "")))


@app.task(name="order", queue="orders")
async def order(**fields: Any) -> None:
    """Handle one order."""
    await work_async(fields)


async def prepare() -> None:
    """Make its tables."""
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()


async def fill(count: int) -> None:
    """Let so many jobs wait."""
    async with app.open_async():
        for start in range(0, count, CHUNK):
            numbers = range(start, min(start + CHUNK, count))
            await order.batch_defer_async(*({**FIELDS, "order_id": f"order-{number}"} for number in numbers))


async def run() -> None:
    """Work until SIGTERM."""
    async with app.open_async():
        await app.run_worker_async(queues=["orders"], concurrency=CONCURRENCY)


FIELDS = {"customer": "customer-1", "cents": 1, "sent_at": 0, "note": ""}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare"]:
            asyncio.run(prepare())
        case ["fill", count]:
            asyncio.run(fill(int(count)))
        case ["run"]:
            asyncio.run(run())
