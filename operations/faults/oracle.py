"""The oracle: whether what was accepted had its effect once, by the ledger, the store, the sink and the queues.

Each line has a name; a run is green when all are empty. The method is Kafka's transactions test and Jepsen's
total-queue checker: nothing is believed that the stack says of itself unless the effects agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from millrace import names
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from operations.faults.effects import effects
from operations.faults.judging import CALLED_TWICE, DIED, EFFECTS, LEFT_OVER, NOT_CALLED, Verdict, judge_store
from operations.faults.ledger import Ledger
from operations.faults.sample import Called
from operations.faults.world import World
from workers.database import connect, reading


@dataclass(frozen=True)
class Oracle:
    """Judges one scenario, whose events bear a prefix of their own."""

    world: World
    ledger: Ledger
    prefix: str

    def effects_so_far(self) -> int:
        """How many effects there are now; -1 while the store does not answer."""
        query = select(func.count()).where(effects.c.subject.startswith(self.prefix))
        try:
            with reading(self.world.engine) as connection:
                return int(connection.execute(query).scalar_one())
        except SQLAlchemyError:
            return -1

    def expected_effects(self, *, of_all: bool = True) -> int:
        """How many effects there must be in the end, of what is meant or of what was accepted till now."""
        events = self.ledger.meant if of_all else self.ledger.accepted
        return sum(len(EFFECTS[type_]) for type_ in list(events.values()))

    def settled(self) -> bool:
        """Whether nothing is on its way any more, as far as a quick look tells."""
        if self.effects_so_far() < self.expected_effects():
            return False
        try:
            return not self._store_verdict(self.world.engine).found and not messages_left(self.world)
        except SQLAlchemyError:
            return False

    def judge(self) -> Verdict:
        """The verdict by a fresh reader: a new connection to the store, the queues as they are now."""
        engine = connect(self.world.record.database_url)
        try:
            verdict = self._store_verdict(engine)
        finally:
            engine.dispose()
        self._judge_calls(verdict)
        verdict.add(LEFT_OVER, messages_left(self.world))
        verdict.add(DIED, (f"{name} x{count}" for name, count in self.world.unplanned().items()))
        return verdict

    def _store_verdict(self, engine: Engine) -> Verdict:
        with reading(engine) as connection:
            return judge_store(connection, self.ledger, self.prefix)

    def _judge_calls(self, verdict: Verdict) -> None:
        """The sink's own count: one call for each event that calls out (its keys say nothing of the event)."""
        calls = self.world.sink.calls
        twice = sum(count - 1 for count in calls.values() if count > 1)
        verdict.add(CALLED_TWICE, [f"{twice} calls too many"] if twice else [])
        missing = len(self.ledger.accepted_of(Called.event_type)) - len(calls)
        verdict.add(NOT_CALLED, [f"{missing} calls too few"] if missing > 0 else [])


def messages_left(world: World) -> list[str]:
    """What waits in the queues of the stack, the log of accepted events apart."""
    record = world.record
    login = (record.admin["user"], record.admin["password"])
    url = f"{record.management}/api/queues/{record.vhost}"
    fresh = {"disable_stats": "true", "enable_queue_totals": "true"}
    try:
        listed = httpx.get(url, params=fresh, auth=login, timeout=10).raise_for_status().json()
    except httpx.HTTPError as error:
        return [f"the broker does not say: {type(error).__name__}"]
    full = {each["name"]: int(each.get("messages") or 0) for each in listed if each["name"] != names.ACCEPTED}
    return [f"{count} messages in {name}" for name, count in sorted(full.items()) if count]
