"""What the store must hold when all is over, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from operations.faults.effects import effects
from operations.faults.ledger import Ledger
from operations.faults.sample import Begun, Called, Poisonous, Unclaimed
from workers.tables import accepted, inbox, letters, outbox
from workers.verdicts import FINAL

#: Which groups an accepted event of a type must reach, each with one effect on its subject.
EFFECTS: dict[str, tuple[str, ...]] = {
    Begun.event_type: ("first", "second"),
    Called.event_type: ("caller",),
    Poisonous.event_type: (),
    Unclaimed.event_type: (),
}

LOST, DOUBLED, PHANTOM = "lost", "doubled", "phantom"
CALLED_TWICE, NOT_CALLED = "called twice", "not called"
NOT_PUBLISHED = "not published"
UNSETTLED, DEAD, NOT_PARKED, NOT_INDEXED = "unsettled", "dead-lettered", "not parked", "not indexed"
NOT_RECONCILED = "not reconciled"
LEFT_OVER, DIED, UNRECORDED, NOT_BURIED = "left over", "died by itself", "invalid, not recorded", "poison not ended"
TRIED_TOO_OFTEN = "tried too often"


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


def judge_store(connection: Connection, ledger: Ledger, prefix: str) -> Verdict:
    """Every line that the store decides, for the events whose ids begin with the prefix."""
    verdict, ledger = Verdict(), ledger.copy()
    _judge_effects(verdict, connection, ledger, prefix)
    _judge_letters(verdict, connection, ledger, prefix)
    state = select(inbox.c.group_name, inbox.c.event_id, inbox.c.state).where(inbox.c.event_id.startswith(prefix))
    settled = {(row.group_name, row.event_id) for row in connection.execute(state) if row.state in FINAL}
    # The second group's events have ids of their own: its effects are what is known of them.
    direct = {(EFFECTS[type_][0], id_) for id_, type_ in ledger.accepted.items() if EFFECTS[type_]}
    verdict.add(UNSETTLED, (f"{id_} at {group}" for group, id_ in direct - settled))
    judge_index(verdict, connection, ledger.accepted, prefix)
    return verdict


def judge_index(verdict: Verdict, connection: Connection, confirmed: Mapping[str, str], prefix: str) -> None:
    """Whether all that was confirmed is in the index of accepted events, and the outbox is empty."""
    index = select(accepted.c.event_id).where(accepted.c.event_id.startswith(prefix))
    verdict.add(NOT_INDEXED, confirmed.keys() - set(connection.execute(index).scalars()))
    verdict.add(LEFT_OVER, judge_outbox(connection).found.get(LEFT_OVER, ()))


def judge_outbox(connection: Connection) -> Verdict:
    """Whether all that handlers published was sent."""
    verdict = Verdict()
    unsent = connection.execute(select(func.count()).where(outbox.c.published_at.is_(None))).scalar_one()
    verdict.add(LEFT_OVER, [f"{unsent} rows in the outbox"] if unsent else [])
    return verdict


def _judge_effects(verdict: Verdict, connection: Connection, ledger: Ledger, prefix: str) -> None:
    mine = effects.c.subject.startswith(prefix)
    rows = connection.execute(select(effects.c.group_name, effects.c.subject).where(mine))
    seen = Counter((row.group_name, row.subject) for row in rows)
    wanted = {(group, id_) for id_, type_ in ledger.accepted.items() for group in EFFECTS[type_]}
    meant = {(group, id_) for id_, type_ in ledger.meant.items() for group in EFFECTS[type_]}
    verdict.add(LOST, (f"{id_} at {group}" for group, id_ in wanted - seen.keys()))
    verdict.add(DOUBLED, (f"{id_} at {group} x{count}" for (group, id_), count in seen.items() if count > 1))
    verdict.add(PHANTOM, (f"{id_} at {group}" for group, id_ in seen.keys() - meant))


def _judge_letters(verdict: Verdict, connection: Connection, ledger: Ledger, prefix: str) -> None:
    columns = (letters.c.kind, letters.c.event_id, letters.c.cause)
    kept = connection.execute(select(*columns).where(letters.c.event_id.startswith(prefix))).fetchall()
    poison = ledger.accepted_of(Poisonous.event_type)
    dead = {row.event_id: row.cause for row in kept if row.kind == "dead"}
    verdict.add(DEAD, (f"{id_}: {cause}" for id_, cause in dead.items() if id_ not in poison))
    verdict.add(NOT_BURIED, poison - dead.keys())
    parked = {row.event_id for row in kept if row.kind == "parked"}
    verdict.add(NOT_PARKED, ledger.accepted_of(Unclaimed.event_type) - parked)
    verdict.add(UNRECORDED, (repr(body[:200]) for body in ledger.invalid - _recorded(connection, ledger)))


def _recorded(connection: Connection, ledger: Ledger) -> set[bytes]:
    """The garbage of this scenario that is a letter, byte for byte."""
    if not ledger.invalid:
        return set()
    bodies = connection.execute(select(letters.c.body).execution_options(yield_per=500)).scalars()
    return {body for body in bodies if body in ledger.invalid}
