"""The stores under test, each with a way to let its leases end."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import redis
from millrace.envelope import Envelope
from sqlalchemy import Engine, update

from tests.integration.workers.stack import prepare_store
from workers.database import begin, connect
from workers.inbox import Busy, Claim, Request, Verdict
from workers.stores.dynamodb import DynamoStore
from workers.stores.opening import open_store
from workers.stores.redis import RedisStore
from workers.stores.sql import DatabaseStore, LeaseStore
from workers.stores.store import InboxStore
from workers.stores.watch import Watch
from workers.tables import inbox

#: Longer than every lease and delay of the tests, in seconds.
LONG = 7200.0
LEASE = 30.0


@dataclass
class Bench:
    """One store: `open` gives what another process would have, `pass_time` lets all that waits be due."""

    open: Callable[[], InboxStore]
    pass_time: Callable[[], None]
    #: a crash of the server, and its start; only where the server is the test's own
    crash: Callable[[], None] | None = None
    #: how many events sixteen race for: few where the server is slow, a thousand by the environment
    keys: int = int(os.environ.get("STORE_RACE_KEYS", "5"))
    group: str = field(default_factory=lambda: f"g{uuid.uuid4().hex[:8]}")
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def request(self, event_id: str | None = None, **changes: Any) -> Request:
        """What a new delivery asks; of a new event unless one is named."""
        own = {
            "group": self.group,
            "envelope": Envelope(id=event_id or f"e{next(self.numbers)}", source="/s", type="order.placed"),
            "fingerprint": "f",
            "generation": 0,
            "owner": "me",
            "lease_seconds": LEASE,
            "max_attempts": 3,
        }
        return Request(**{**own, **changes})

    def again(self, held: Claim, **changes: Any) -> Request:
        """What another delivery of the same event asks."""
        return self.request(held.request.envelope.id, **changes)

    def take_over(self, store: InboxStore, held: Claim, **changes: Any) -> Verdict:
        """What a delivery gets that has waited for a lease."""
        assert isinstance(store.claim(self.again(held, **changes)), Busy)
        self.pass_time()
        return store.claim(self.again(held, **changes))


def claimed(verdict: Verdict) -> Claim:
    """A verdict that must be a claim."""
    assert isinstance(verdict, Claim), verdict
    return verdict


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


def store_at(url: str) -> InboxStore:
    """The store at a URL as a worker opens it."""
    if "mode=lease" not in url and not url.startswith(("dynamodb", "redis")):
        return DatabaseStore(connect(url))
    return cast(InboxStore, open_store(url))
