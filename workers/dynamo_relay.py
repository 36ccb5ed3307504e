"""`python -m workers.dynamo_relay`: publishes what functions left in their outbox table; run as many as you like.

What was confirmed is deleted. A relay that is killed in between sends it again, and so may two relays that run at the
same time: consumers know an event by its id. With one relay, events of one partition key keep their order.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from millrace import aws_names
from millrace.derived import RELAY_SEND_SECONDS, RELAY_STUCK_SECONDS
from millrace.errors import BrokerUnreachable, ConfirmTimeout, PublishError
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender
from prometheus_client import Counter, Gauge

from workers.aws_clients import aws_client
from workers.functions.outbox import Item, age_of, key_of, message_of
from workers.functions.outbox_table import Key, OutboxTable
from workers.service import run_service
from workers.settings import Settings
from workers.watchdog import Watchdog

log = structlog.get_logger("millrace.dynamo_relay")

SENT = Counter("millrace_dynamo_relay_sent_total", "Items of the functions' outbox published and confirmed")
FAILED = Counter("millrace_dynamo_relay_failed_total", "Items that the broker did not confirm")
WAITING = Gauge("millrace_dynamo_relay_waiting", "Items that were there at the last look (counted up to a thousand)")
LAG = Gauge("millrace_dynamo_relay_lag_seconds", "Age of the oldest item at the last look")

#: How often an empty table is looked at, in seconds: each look is a read that is paid for.
POLL_SECONDS = 0.5
#: How long the relay pauses while the broker is out: at first, and at most.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0
#: What the broker refuses waits so long, by itself and with its partition key; all others go on.
ASIDE_SECONDS = 10.0


@dataclass(frozen=True)
class Waiting:
    """An item with what it says."""

    item: Any
    message: Message
    partition_key: str | None

    @property
    def name(self) -> str:
        """What stands aside if this is refused: its partition key's items, or itself."""
        return f"key {self.partition_key}" if self.partition_key is not None else self.item["at"]["S"]


class DynamoRelay:
    """One relay; what it has put aside is its own knowledge, and forgotten when it ends."""

    def __init__(self, table: OutboxTable, sender: Sender, step: Callable[[str], None] = lambda _what: None) -> None:
        self._table = table
        self._sender = sender
        self._step = step
        #: until when, on this process's monotonic clock
        self._aside: dict[str, float] = {}
        #: all up to this one stands aside
        self._after: Key | None = None
        #: whether the last round found nothing to send, and there may be more behind what it has seen
        self.looks_on = False

    def round(self) -> tuple[int, bool]:
        """Send what waits, oldest first; gives how many were sent, and whether the broker is out."""
        self._step("reading the outbox")
        now = time.monotonic()
        aside = {name: until for name, until in self._aside.items() if until > now}
        if not aside.keys() >= self._aside.keys():
            self._after = None  # something is due again: from the oldest on
        self._aside = aside
        from_the_oldest = self._after is None
        found, more = self._table.oldest(self._any_free, self._after)
        if from_the_oldest:
            WAITING.set(len(found))
            LAG.set(age_of(found[0]) if found else 0.0)
        ready = [each for each in map(_waiting, found) if self._free(each)]
        self.looks_on = not ready and more is not None
        if self.looks_on:
            self._after = more
        sent = 0
        for wave in waves(ready):
            still = [each for each in wave if self._free(each)]
            self._step(f"sending {len(still)} messages")
            results = self._sender.send([each.message for each in still])
            confirmed = [each for each, error in zip(still, results, strict=True) if error is None]
            self._step("deleting what was confirmed")
            self._table.delete([key_of(each.item) for each in confirmed])
            SENT.inc(len(confirmed))
            sent += len(confirmed)
            if self._failed([(each, error) for each, error in zip(still, results, strict=True) if error is not None]):
                return sent, True
        return sent, False

    def _any_free(self, items: Sequence[Item]) -> bool:
        return any(self._free(each) for each in map(_waiting, items))

    def _free(self, waiting: Waiting) -> bool:
        return waiting.name not in self._aside

    def _failed(self, failed: Sequence[tuple[Waiting, PublishError]]) -> bool:
        """Put aside what was refused; whether the broker is out."""
        if not failed:
            return False
        FAILED.inc(len(failed))
        first, error = failed[0]
        log.warning("not confirmed", items=len(failed), error=str(error)[:300], first=first.message.message_id)
        refused = [each for each, why in failed if not isinstance(why, BrokerUnreachable | ConfirmTimeout)]
        for each in refused:
            self._aside[each.name] = time.monotonic() + ASIDE_SECONDS
        return len(refused) < len(failed)


def waves(ready: Sequence[Waiting]) -> list[list[Waiting]]:
    """What may be sent together: of each partition key one at a time, in order."""
    made: list[list[Waiting]] = []
    seen: dict[str, int] = {}
    for each in ready:
        at = seen[each.name] = seen.get(each.name, -1) + 1
        if at == len(made):
            made.append([])
        made[at].append(each)
    return made


def _waiting(item: Any) -> Waiting:
    key = item.get("partition_key")
    return Waiting(item, message_of(item), key["S"] if key else None)


def run(settings: Settings, stopping: threading.Event) -> None:
    """Relay until stopping; raises what DynamoDB raises. Ends the process if it is stuck."""
    name = os.environ.get("MILLRACE_OUTBOX_TABLE") or aws_names.outbox_table(settings.vhost)
    client = aws_client(settings, "dynamodb")
    sender = Sender(settings.broker_url, timeout=RELAY_SEND_SECONDS)
    pause = FIRST_PAUSE_SECONDS
    try:
        with Watchdog("dynamo-relay", RELAY_STUCK_SECONDS) as watchdog:
            relay = DynamoRelay(OutboxTable(client, name), sender, watchdog.step)
            while not stopping.is_set():
                sent, outage = relay.round()
                watchdog.step("waiting")
                if outage:
                    stopping.wait(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                    continue
                pause = FIRST_PAUSE_SECONDS
                if not sent and not relay.looks_on:
                    stopping.wait(POLL_SECONDS)
    finally:
        sender.close()
        client.close()


if __name__ == "__main__":
    sys.exit(run_service("dynamo-relay", run))
