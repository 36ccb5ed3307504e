"""What a check of a store works with."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from millrace.envelope import Envelope

from workers import verdicts
from workers.database import connect
from workers.stores.opening import open_store
from workers.stores.sql import DatabaseStore
from workers.stores.store import InboxStore, Outcome
from workers.verdicts import Busy, Claim, Request, Verdict

DONE_WELL = Outcome(state=verdicts.PROCESSED, milliseconds=1.5)
BURIED = Outcome(state=verdicts.DEAD_LETTERED, milliseconds=1.0, error="broken")
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


def store_at(url: str) -> InboxStore:
    """The store at a URL as a worker opens it."""
    if "mode=lease" not in url and not url.startswith(("dynamodb", "redis")):
        return DatabaseStore(connect(url))
    return open_store(url)
