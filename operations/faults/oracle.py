"""The oracle: whether what was accepted had its effect once, by the ledger, the store, the sink and the queues.

Each line has a name; a run is green when all are empty. The method is Kafka's transactions test and Jepsen's
total-queue checker: nothing is believed that the stack says of itself unless the effects agree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from millrace import names
from millrace.declarations import Catalog
from sqlalchemy import Connection, Engine, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from operations.faults.effects import effects
from operations.faults.judging import (
    CALLED_TWICE,
    DIED,
    EFFECTS,
    LEFT_OVER,
    LOST,
    NOT_CALLED,
    NOT_PUBLISHED,
    NOT_RECONCILED,
    TRIED_TOO_OFTEN,
    Verdict,
    judge_outbox,
    judge_store,
)
from operations.faults.ledger import Ledger
from operations.faults.sample import Called
from operations.faults.world import POISONED, World
from operations.local.management import queue_totals
from operations.reconciliation import Reconciliation
from operations.reconciliation_queries import IN_FLIGHT
from workers.database import connect, reading
from workers.tables import accepted


@dataclass(frozen=True)
class Judging(ABC):
    """What every oracle does: count, wait for calm, and ask the store and the queues by a fresh reader."""

    world: World
    ledger: Ledger
    prefix: str

    @abstractmethod
    def counted(self) -> Select[int]:
        """The query for how many ends there are now."""

    @abstractmethod
    def ends_of(self, type_: str) -> int:
        """How many ends an event of a type must come to."""

    @abstractmethod
    def store_verdict(self, connection: Connection) -> Verdict:
        """Every line that the store decides."""

    def effects_so_far(self) -> int:
        """How much has come to its end; -1 while the store does not answer."""
        try:
            with reading(self.world.engine) as connection:
                return int(connection.execute(self.counted()).scalar_one())
        except SQLAlchemyError:
            return -1

    def expected_effects(self, *, of_all: bool = True) -> int:
        """How much must, of what is meant or of what was accepted till now."""
        ledger = self.ledger.copy()
        return sum(self.ends_of(type_) for type_ in (ledger.meant if of_all else ledger.accepted).values())

    def still_red(self) -> dict[str, int]:
        """How much each line finds, as far as a quick look tells; nothing once all is calm."""
        missing = self.expected_effects() - self.effects_so_far()
        waiting = messages_left(self.world)
        try:
            with reading(self.world.engine) as connection:
                verdict = judge_outbox(connection) if missing > 0 else self.store_verdict(connection)
        except SQLAlchemyError:
            return {LEFT_OVER: 1}
        verdict.add(LEFT_OVER, waiting)
        return verdict.counts() | ({LOST: missing} if missing > 0 else {})

    def judge(self) -> Verdict:
        """The verdict by a fresh reader: a new connection to the store, the queues as they are now."""
        engine = connect(self.world.record.database_url)
        try:
            with reading(engine) as connection:
                verdict = self.store_verdict(connection)
            verdict.add(NOT_RECONCILED, not_reconciled(engine, self.world.catalog, self.prefix))
        finally:
            engine.dispose()
        verdict.add(NOT_PUBLISHED, self.ledger.unconfirmed())
        verdict.add(LEFT_OVER, messages_left(self.world))
        verdict.add(DIED, (name for name, count in self.world.unplanned().items() for _ in range(count)))
        return verdict


class Oracle(Judging):
    """Judges a scenario of the suite's own catalog, by its effects and by the sink."""

    def counted(self) -> Select[int]:
        """Effects."""
        return select(func.count()).where(effects.c.subject.startswith(self.prefix))

    def ends_of(self, type_: str) -> int:
        """An effect in each group of the chain."""
        return len(EFFECTS[type_])

    def store_verdict(self, connection: Connection) -> Verdict:
        """The lines of `judge_store`."""
        return judge_store(connection, self.ledger, self.prefix)

    def judge(self) -> Verdict:
        """The verdict, with the sink's own count: one call for each event that calls out, few attempts at poison."""
        verdict = super().judge()
        calls = self.world.sink.calls  # by keys that say nothing of the event
        twice = sum(count - 1 for count in calls.values() if count > 1)
        other = len(calls) - len(self.ledger.meant_of(Called.event_type))  # one event under two keys is two calls, too
        verdict.add(CALLED_TWICE, [f"{twice} calls too many"] if twice else [])
        verdict.add(CALLED_TWICE, [f"{other} keys too many"] if other > 0 else [])
        missing = len(self.ledger.accepted_of(Called.event_type)) - len(calls)
        verdict.add(NOT_CALLED, [f"{missing} calls too few"] if missing > 0 else [])
        attempts = self.world.catalog.group(POISONED).retry.attempts
        runs = {subject: count for subject, count in self.world.sink.attempts.items() if count > attempts}
        verdict.add(TRIED_TOO_OFTEN, (f"{subject}: {count} of {attempts} attempts" for subject, count in runs.items()))
        return verdict


def not_reconciled(engine: Engine, catalog: Catalog, prefix: str) -> Iterator[str]:
    """What `millrace reconcile` finds since the first of these events was accepted; nothing may be on its way."""
    first = select(func.min(accepted.c.accepted_at)).where(accepted.c.event_id.startswith(prefix))
    with reading(engine) as connection:
        since = connection.execute(first).scalar()
    if since is None:
        return
    comparison = Reconciliation(engine, catalog, since=since - 1e-3)
    for finding in comparison.findings():
        yield f"{finding['event_id']} at {finding['group']}: {finding['reason']}"
    for group, found in comparison.totals.groups.items():
        if found[IN_FLIGHT]:
            yield f"{found[IN_FLIGHT]} on their way at {group}"


def messages_left(world: World) -> list[str]:
    """What waits in the queues of the stack, the log of accepted events apart."""
    full: Counter[str] = Counter()
    silent: set[str] = set()
    try:
        for of_a_node in world.managements():  # of a cluster, each knows the queues that it leads
            with of_a_node as api:
                totals = queue_totals(api, world.record.vhost)
            full |= Counter({name: int(each.get("messages") or 0) for name, each in totals.items()})
            silent |= {name for name, each in totals.items() if each["type"] == "quorum" and "messages" not in each}
    except httpx.HTTPError as error:
        return [f"the broker does not say: {type(error).__name__}"]
    del full[names.ACCEPTED]
    left = [f"{count} messages in {name}" for name, count in sorted(full.items()) if count]
    return left + [f"{name} does not say how many messages it has" for name in sorted(silent)]
