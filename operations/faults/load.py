"""The load: a thread that publishes at a steady pace until every event is confirmed, and notes it in the ledger."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from millrace.declarations import Catalog
from millrace.envelope import Envelope, seal
from millrace.errors import NotAllPublished
from millrace.publishing import Publisher

from operations.faults.ledger import Ledger
from operations.faults.sample import POISON, SHARES, Begun, Poisonous

SOURCE = "/load"
#: A small batch, so that a fault finds some confirmed, some sent, some not sent.
BATCH = 10
TIMEOUT = 3.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many events, how many a second, how some behave (share by `how`), and whether some are poison."""

    events: int
    rate: float
    behaviour: Mapping[str, float]
    poison: bool = False


def envelopes(plan: Plan, prefix: str, rng: random.Random) -> list[Envelope]:
    """The events of a plan in a random order; the same seed gives the same ones."""
    kinds = [kind for kind, share in SHARES for _ in range(round(plan.events * share))]
    kinds += [Poisonous] * POISON * plan.poison
    rng.shuffle(kinds)
    hows = _hows(plan.behaviour, kinds.count(Begun), rng)
    made = []
    for number, kind in enumerate(kinds):
        subject = f"{prefix}-{number}"
        payload = kind(subject=subject)
        if isinstance(payload, Begun):
            payload = Begun(subject=subject, how=hows.pop())
        made.append(seal(payload, source=SOURCE, id=subject))
    return made


def _hows(behaviour: Mapping[str, float], count: int, rng: random.Random) -> list[str]:
    """How each of so many events behaves, just as many of a kind as its share says."""
    found = [how for how, share in behaviour.items() for _ in range(round(count * share))]
    found += ["well"] * (count - len(found))
    rng.shuffle(found)
    return found


class Load(threading.Thread):
    """Publishes events; `done` once all are confirmed. An event that was not confirmed is sent again, same id."""

    def __init__(self, url: str, catalog: Catalog, ledger: Ledger, events: list[Envelope], rate: float) -> None:
        super().__init__(name="load", daemon=True)
        self._publisher = Publisher(url, source=SOURCE, catalog=catalog, timeout=TIMEOUT)
        self._ledger = ledger
        self.events = events
        self.rate = rate
        self._stopping = threading.Event()
        #: publish calls that failed at first
        self.failures = 0
        ledger.mean({event.id: event.type for event in events})

    @property
    def done(self) -> bool:
        """Whether every event was confirmed."""
        return len(self._ledger.accepted) == len(self._ledger.meant)

    def run(self) -> None:
        """Publish all; the pace does not make up for what an outage cost."""
        with self._publisher:
            for first in range(0, len(self.events), BATCH):
                started = time.monotonic()
                self._until_confirmed(self.events[first : first + BATCH])
                self._stopping.wait(max(0.0, BATCH / self.rate - (time.monotonic() - started)))
                if self._stopping.is_set():
                    return

    def stop(self) -> None:
        """Publish no more."""
        self._stopping.set()
        self.join(60)

    def _until_confirmed(self, batch: list[Envelope]) -> None:
        while batch and not self._stopping.is_set():
            try:
                self._publisher.publish_many(batch)
                failed: set[str] = set()
            except NotAllPublished as error:
                failed = set(error.failed)
                self.failures += 1
            self._ledger.accept([event.id for event in batch if event.id not in failed])
            batch = [event for event in batch if event.id in failed]
            if batch:
                self._stopping.wait(0.2)
