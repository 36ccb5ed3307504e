"""`python -m workers.relay`: publishes what the outbox holds, as recorded and confirmed; run as many as you like.

While the broker is out, the relay pauses, then tries with one row, then with more and more. A row that the broker
refuses waits by itself, with its partition key; all others go on.
"""

import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from millrace.derived import RELAY_SEND_SECONDS, RELAY_STUCK_SECONDS, RELAY_WINDOW_SECONDS
from millrace.publishing.sender import Sender
from sqlalchemy import Engine

from workers.relay_numbers import Numbers
from workers.relay_records import Settled
from workers.relay_sending import send_rows
from workers.relay_turns import anything_due, heal, relay_engine, turn
from workers.service import run_service
from workers.settings import Settings
from workers.watchdog import Watchdog

log = structlog.get_logger("millrace.relay")

#: How often an empty outbox is looked at, in seconds: the latency that it adds.
POLL_SECONDS = 0.05
BATCH = 200
#: How long the relay pauses while the broker is out: at first, and at most.
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
#: How often a relay looks for rows that a clock set back would keep.
HEAL_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """How many rows were claimed, whether the broker was out for some of them, and whether there is more to do."""

    rows: int = 0
    outage: bool = False
    more: bool = False


class Relay:
    """One relay; what it has not recorded yet outlives trouble with the store."""

    def __init__(self) -> None:
        self._name = f"{socket.gethostname()[:100]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._number = 0
        self._unrecorded: Settled | None = None
        self._batch = BATCH
        self._idle = False
        self._step: Callable[[str], None] = lambda _what: None

    def run(self, settings: Settings, stopping: threading.Event) -> None:
        """Publish until stopping; raises what the store raises. Ends the process if it is stuck."""
        engine = relay_engine(settings.database_url)
        sender = Sender(settings.broker_url, timeout=RELAY_SEND_SECONDS)
        try:
            with Watchdog("relay", RELAY_STUCK_SECONDS) as watchdog:
                self._step = watchdog.step
                self._go_on(engine, sender, stopping)
        finally:
            sender.close()
            engine.dispose()

    def _go_on(self, engine: Engine, sender: Sender, stopping: threading.Event) -> None:
        numbers, pause, healed = Numbers(), FIRST_PAUSE_SECONDS, -HEAL_SECONDS
        while not stopping.is_set():
            if time.monotonic() - healed > HEAL_SECONDS:
                self._step("looking for rows of another time")
                heal(engine)
                healed = time.monotonic()
            done = self.round(engine, sender, stopping)
            self._step("counting what waits")
            numbers.look(engine)
            if done.outage:
                self.record(engine)
                self._step("waiting for the broker")
                stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            if not done.rows and not done.more:
                self._step("waiting for rows")
                stopping.wait(POLL_SECONDS)
        self.record(engine)

    def round(self, engine: Engine, sender: Sender, stopping: threading.Event | None = None) -> Round:
        """Record the round before, claim rows and send them; what became of them is recorded by the next call.

        A crash between a confirm and its record publishes a row again: consumers know it by its id.
        """
        self._step("looking for rows that are due")
        if self._idle and self._unrecorded is None and not anything_due(engine):
            return Round()
        self._number += 1
        claim = f"{self._name}:{self._number}"
        self._step("claiming rows")
        until = time.monotonic() + RELAY_WINDOW_SECONDS
        claimed = turn(engine, claim, self._unrecorded, self._batch)
        self._unrecorded = Settled(claim=claim, rows={row.id: row for row in claimed.rows}) if claimed.rows else None
        self._idle = not claimed.rows
        if not claimed.rows:
            return Round(more=claimed.more)
        give_up = stopping.is_set if stopping is not None else lambda: False
        settled = send_rows(sender, claim, claimed.rows, self._step, lambda: give_up() or time.monotonic() > until)
        self._unrecorded = settled
        self._batch = 1 if settled.outages else min(self._batch * 2, BATCH)
        return Round(rows=len(claimed.rows), outage=bool(settled.outages), more=claimed.more)

    def record(self, engine: Engine) -> None:
        """Record what became of the last round's rows now."""
        if self._unrecorded is not None:
            self._step("recording what was published")
            turn(engine, "", self._unrecorded, 0)
            self._unrecorded = None


#: This process's relay.
run = Relay().run

if __name__ == "__main__":
    sys.exit(run_service("relay", run))
