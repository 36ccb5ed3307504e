"""What every peer does with an order, chosen by BENCH_WORK: so all do the same, and only the way to it differs."""

import os
import threading
from typing import Any

import psycopg

from bench.clock import seen

_CLAIM = "insert into bench_inbox (event_id) values (%s) on conflict do nothing returning event_id"
_EFFECT = "insert into bench_orders (order_id, customer, cents) values (%(order_id)s, %(customer)s, %(cents)s)"
_DAY_SECONDS = 86_400
CHOSEN = os.environ.get("BENCH_WORK", "nothing")
DATABASE_URL = os.environ.get("BENCH_DATABASE_URL", "")
_own = threading.local()
_pools: list[Any] = []


def work(event_id: str, order: dict[str, Any]) -> None:
    """Do with an order what is to be done with it."""
    seen(order["sent_at"])
    match CHOSEN:
        case "effect":
            _connection().execute(_EFFECT, order)
        case "inbox":  # claim and effect in one transaction, as written in any blog
            with _connection().transaction():
                if _connection().execute(_CLAIM, (event_id,)).fetchone() is not None:
                    _connection().execute(_EFFECT, order)
        case "redis":  # SET NX before the effect: what crashes between them is lost
            if _redis().set(f"bench:{event_id}", "1", nx=True, ex=_DAY_SECONDS):
                _connection().execute(_EFFECT, order)


def work_many(orders: list[dict[str, Any]]) -> None:
    """The same for many: one transaction for all rows."""
    for order in orders:
        seen(order["sent_at"])
    if CHOSEN == "effect":
        with _connection().transaction():
            _connection().cursor().executemany(_EFFECT, orders)


async def work_async(order: dict[str, Any]) -> None:
    """The same in a coroutine."""
    seen(order["sent_at"])
    if CHOSEN == "effect":
        if not _pools:
            from psycopg_pool import AsyncConnectionPool  # noqa: PLC0415 (nor for this)

            _pools.append(AsyncConnectionPool(DATABASE_URL, min_size=4, max_size=10, open=False))
            await _pools[0].open()
        async with _pools[0].connection() as connection:
            await connection.execute(_EFFECT, order)


def _connection() -> psycopg.Connection:
    """This thread's connection; each statement outside a transaction is one."""
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(DATABASE_URL, autocommit=True)
    return _own.connection


def _redis() -> Any:
    import redis  # noqa: PLC0415 (no other contender is to pay for it)

    if not hasattr(_own, "redis"):
        _own.redis = redis.Redis.from_url(os.environ["BENCH_REDIS_URL"])
    return _own.redis
