"""The stores under test, each with a way to let its leases end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import redis
from sqlalchemy import Engine, update

from tests.integration.workers.stack import prepare_store
from tests.integration.workers.stores.bench import LONG, Bench
from workers.database import begin, connect
from workers.stores.dynamodb import DynamoStore
from workers.stores.redis import RedisStore
from workers.stores.sql import DatabaseStore, LeaseStore
from workers.stores.store import InboxStore
from workers.stores.watch import Watch
from workers.tables import inbox


@contextmanager
def sql_bench(url: str, kind: type[LeaseStore] = DatabaseStore) -> Iterator[Bench]:
    """An inbox in a database, and its stand-ins."""
    prepare_store(url)
    with ExitStack() as stack:

        def engine() -> Engine:
            made = connect(url)
            stack.callback(made.dispose)
            return made

        def pass_time() -> None:
            with begin(own) as connection:
                connection.execute(update(inbox).values(due_at=inbox.c.due_at - LONG))

        own = engine()
        yield Bench(lambda: kind(engine()), pass_time)


@contextmanager
def redis_bench(url: str, kind: type[RedisStore] = RedisStore) -> Iterator[Bench]:
    """An inbox in Redis."""
    with ExitStack() as stack:

        def open_one() -> InboxStore:
            store = kind.at(url)
            stack.callback(store.close)
            return store

        def pass_time() -> None:
            with redis.Redis.from_url(url, decode_responses=True) as client:
                for key in client.scan_iter("millrace:inbox:*"):
                    client.hincrbyfloat(key, "due_at", -LONG)

        yield Bench(open_one, pass_time)


@dataclass
class Clock:
    """A monotonic clock that a test turns on."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def dynamodb_bench(url: str, kind: type[DynamoStore] = DynamoStore) -> Iterator[Bench]:
    """An inbox in DynamoDB; the time of all observers is the test's."""
    clock = Clock()
    with ExitStack() as stack:

        def open_one() -> InboxStore:
            store = kind.at(url)
            store._watch = Watch(store._mark_over, clock)
            stack.callback(store.close)
            return store

        def pass_time() -> None:
            clock.now += LONG

        yield Bench(open_one, pass_time, keys=int(os.environ.get("STORE_RACE_KEYS", "2")))


@contextmanager
def bench_at(url: str) -> Iterator[Bench]:
    """The bench of a store's URL; a database without `mode=lease` is that of the effects."""
    if url.startswith("dynamodb"):
        making = dynamodb_bench(url)
    elif url.startswith("redis"):
        making = redis_bench(url)
    elif "mode=lease" in url:
        making = sql_bench(url.partition("?")[0], LeaseStore)
    else:
        making = sql_bench(url)
    with making as bench:
        yield bench
