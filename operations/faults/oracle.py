"""The oracle: whether what was accepted had its effect once, by the ledger, the store, the sink and the queues.

Each line has a name; a run is green when all are empty. The method is Kafka's transactions test and Jepsen's
total-queue checker: nothing is believed that the stack says of itself unless the effects agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx
from millrace import names
from sqlalchemy import Engine, func, select

from operations.faults.effects import effects
from operations.faults.ledger import Ledger
from operations.faults.sample import Begun, Called, Unclaimed
from operations.faults.world import World
from workers.database import connect, reading
from workers.inbox import FINAL
from workers.tables import accepted, inbox, letters, outbox

#: Which groups an accepted event of a type must reach, each with one effect on its subject.
EFFECTS = {Begun.event_type: ("first", "second"), Called.event_type: ("caller",), Unclaimed.event_type: ()}

LOST, DOUBLED, PHANTOM = "lost", "doubled", "phantom"
CALLED_TWICE, NOT_CALLED = "called twice", "not called"
UNSETTLED, DEAD, NOT_PARKED, NOT_INDEXED = "unsettled", "dead-lettered", "not parked", "not indexed"
LEFT_OVER, DIED, UNRECORDED = "left over", "died by itself", "not recorded"
LINES = (LOST, DOUBLED, PHANTOM, CALLED_TWICE, NOT_CALLED, UNSETTLED, DEAD, NOT_PARKED, NOT_INDEXED)
LINES += (LEFT_OVER, DIED, UNRECORDED)


@dataclass
class Verdict:
    """What each line found, by its name; nothing anywhere is green."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, line: str, items: Iterable[str]) -> None:
        """Note what a line found."""
        listed = sorted(items)
        if listed:
            self.found.setdefault(line, []).extend(listed)

    @property
    def green(self) -> bool:
        """Whether no line found anything."""
        return not self.found

    def counts(self) -> dict[str, int]:
        """How much each red line found."""
        return {line: len(items) for line, items in self.found.items()}


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """Judges one scenario, whose events bear a prefix of their own."""

    world: World
    ledger: Ledger
    prefix: str

    def effects_so_far(self) -> int:
        """How many effects there are now."""
        query = select(func.count()).where(effects.c.subject.startswith(self.prefix))
        with reading(self.world.engine) as connection:
            return int(connection.execute(query).scalar_one())

    def expected_effects(self, *, of_all: bool = True) -> int:
        """How many effects there must be in the end, of what is meant or of what was accepted till now."""
        events = self.ledger.meant if of_all else self.ledger.accepted
        return sum(len(EFFECTS[type_]) for type_ in list(events.values()))

    def settled(self) -> bool:
        """Whether nothing is on its way any more, as far as a quick look tells."""
        if self.effects_so_far() < self.expected_effects():
            return False
        return not self._judge_store(self.world.engine).found and not self._left_over()

    def judge(self) -> Verdict:
        """The verdict by a fresh reader: a new connection to the store, the queues as they are now."""
        engine = connect(self.world.record.database_url)
        try:
            verdict = self._judge_store(engine)
        finally:
            engine.dispose()
        self._judge_calls(verdict)
        verdict.add(LEFT_OVER, self._left_over())
        verdict.add(DIED, (f"{name} x{count}" for name, count in self.world.unplanned().items()))
        return verdict

    def _judge_store(self, engine: Engine) -> Verdict:
        verdict = Verdict()
        with reading(engine) as connection:
            mine = effects.c.subject.startswith(self.prefix)
            rows = connection.execute(select(effects.c.group_name, effects.c.subject).where(mine)).fetchall()
            ours = (inbox.c.event_id.startswith(self.prefix),)
            states = connection.execute(select(inbox.c.group_name, inbox.c.event_id, inbox.c.state).where(*ours))
            settled = {(row.group_name, row.event_id): row.state for row in states}
            known = letters.c.event_id.startswith(self.prefix)
            kept = connection.execute(
                select(letters.c.kind, letters.c.event_id, letters.c.cause).where(known)
            ).fetchall()
            index = select(accepted.c.event_id).where(accepted.c.event_id.startswith(self.prefix))
            indexed = set(connection.execute(index).scalars())
            waiting = select(func.count()).where(outbox.c.published_at.is_(None))
            unsent = int(connection.execute(waiting).scalar_one())
        seen = Counter((row.group_name, row.subject) for row in rows)
        wanted = {(group, id_) for id_, type_ in self.ledger.accepted.items() for group in EFFECTS[type_]}
        meant = {(group, id_) for id_, type_ in self.ledger.meant.items() for group in EFFECTS[type_]}
        verdict.add(LOST, (f"{id_} at {group}" for group, id_ in wanted - seen.keys()))
        verdict.add(DOUBLED, (f"{id_} at {group} x{count}" for (group, id_), count in seen.items() if count > 1))
        verdict.add(PHANTOM, (f"{id_} at {group}" for group, id_ in seen.keys() - meant))
        firsts = {(EFFECTS[type_][0], id_) for id_, type_ in self.ledger.accepted.items() if EFFECTS[type_]}
        verdict.add(UNSETTLED, (f"{id_} at {group}" for group, id_ in firsts if settled.get((group, id_)) not in FINAL))
        verdict.add(DEAD, (f"{row.event_id}: {row.cause}" for row in kept if row.kind == "dead"))
        parked = {row.event_id for row in kept if row.kind == "parked"}
        verdict.add(NOT_PARKED, self.ledger.accepted_of(Unclaimed.event_type) - parked)
        verdict.add(NOT_INDEXED, self.ledger.accepted.keys() - indexed)
        verdict.add(LEFT_OVER, [f"{unsent} rows in the outbox"] if unsent else [])
        return verdict

    def _judge_calls(self, verdict: Verdict) -> None:
        """The sink's own count: one call for each event that calls out (its keys say nothing of the event)."""
        calls = self.world.sink.calls
        twice = sum(count - 1 for count in calls.values() if count > 1)
        verdict.add(CALLED_TWICE, [f"{twice} calls too many"] if twice else [])
        missing = len(self.ledger.accepted_of(Called.event_type)) - len(calls)
        verdict.add(NOT_CALLED, [f"{missing} calls too few"] if missing > 0 else [])

    def _left_over(self) -> list[str]:
        """What waits in the queues of the stack, the log of accepted events apart."""
        record = self.world.record
        login = (record.admin["user"], record.admin["password"])
        url = f"{record.management}/api/queues/{record.vhost}"
        fresh = {"disable_stats": "true", "enable_queue_totals": "true"}
        try:
            listed = httpx.get(url, params=fresh, auth=login, timeout=10).raise_for_status().json()
        except httpx.HTTPError as error:
            return [f"the broker does not say: {type(error).__name__}"]
        full = {each["name"]: int(each.get("messages") or 0) for each in listed if each["name"] != names.ACCEPTED}
        return [f"{count} messages in {name}" for name, count in sorted(full.items()) if count]
