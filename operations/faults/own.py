"""The suite on your own catalog and handlers: judged by what the stack records, and by a query of yours."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from millrace.declarations import Catalog
from millrace.envelope import Envelope, payload_from, seal
from millrace.errors import InvalidEvent, UnknownEventType
from sqlalchemy import ColumnElement, Connection, Select, func, select, text

from operations.faults.judging import DEAD, DOUBLED, LOST, NOT_PARKED, Verdict, judge_index
from operations.faults.load import SOURCE, Plan
from operations.faults.oracle import Judging
from operations.faults.scenario import Subject
from operations.samples import sample_payloads
from workers.tables import inbox, letters
from workers.verdicts import DEAD_LETTERED, FINAL

#: In a sample's strings, what becomes a text that no other event has.
NUMBER = "{n}"
ENDED = [*FINAL, DEAD_LETTERED]


class SamplesError(Exception):
    """A sample is missing or wrong; the message names it and says what it must be."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An event to publish many of: its type, and its payload's fields."""

    type: str
    data: dict[str, Any]


def read_samples(path: Path | None, catalog: Catalog) -> list[Sample]:
    """The samples of a file, one JSON object {"type": ..., "data": {...}} a line, each checked against the catalog.

    Without a file those that `make up` publishes. Raises SamplesError.
    """
    if path is None:
        known = {event.type for event in catalog.events}
        found = [
            Sample(type=type_, data={**data, "user_id": NUMBER}) for type_, data in sample_payloads() if type_ in known
        ]
    else:
        found = [_parsed(number, line) for number, line in enumerate(path.read_text().splitlines(), 1) if line.strip()]
    if not found:
        raise SamplesError('a sample event must be given, got none: --samples FILE, {"type": ..., "data": ...} a line')
    for sample in found:
        _envelope(sample, "check", catalog)
    return found


def _parsed(number: int, line: str) -> Sample:
    try:
        fields = json.loads(line)
        return Sample(type=fields["type"], data=dict(fields["data"]))
    except (ValueError, TypeError, KeyError):
        raise SamplesError(f'line {number} must be {{"type": ..., "data": {{...}}}}, got {line[:100]!r}') from None


def _envelope(sample: Sample, subject: str, catalog: Catalog) -> Envelope:
    data = json.loads(json.dumps(sample.data).replace(NUMBER, subject))
    try:
        return seal(payload_from(catalog.event(sample.type).payload, data), source=SOURCE, id=subject)
    except (InvalidEvent, UnknownEventType) as error:
        raise SamplesError(f"a sample of {sample.type!r} is refused: {error}") from error


def own_subject(catalog: Catalog, samples: Sequence[Sample], counting: str | None) -> Subject:
    """Your events and how they are judged; `counting` is a query of yours that gives (subject, count)."""

    def events(plan: Plan, prefix: str, rng: random.Random) -> list[Envelope]:
        return [_envelope(rng.choice(samples), f"{prefix}-{number}", catalog) for number in range(plan.events)]

    return Subject(events=events, judge=partial(OwnOracle, counting=counting))


@dataclass(frozen=True)
class OwnOracle(Judging):
    """Judges by the inbox, the letters, the index, the queues and, where there is one, the counting query.

    A group that keeps no record (decision 0507) is judged by its letters and its queue alone.
    """

    counting: str | None = None

    def counted(self) -> Select[int]:
        """(event, group) that have an outcome."""
        return select(func.count()).where(*self._on_record())

    def ends_of(self, type_: str) -> int:
        """An outcome in each group that takes it, and records it."""
        return len(self._recording(type_))

    def _recording(self, type_: str) -> list[str]:
        return [group.name for group in self.world.catalog.groups_for(type_) if not group.idempotent]

    def _on_record(self) -> list[ColumnElement[bool]]:
        recording = [group.name for group in self.world.catalog.groups if not group.idempotent]
        mine = inbox.c.event_id.startswith(self.prefix)
        return [mine, inbox.c.state.in_(ENDED), inbox.c.group_name.in_(recording)]

    def store_verdict(self, connection: Connection) -> Verdict:
        """Every line that the store decides; raises what the store raises of the counting query."""
        verdict, confirmed = Verdict(), self.ledger.copy().accepted
        self._judge_outcomes(verdict, connection, confirmed)
        self._judge_letters(verdict, connection, confirmed)
        judge_index(verdict, connection, confirmed, self.prefix)
        if self.counting:
            counted = connection.execute(text(self.counting)).all()
            verdict.add(DOUBLED, (f"{subject} x{count}" for subject, count in counted if count > 1))
        return verdict

    def _judge_outcomes(self, verdict: Verdict, connection: Connection, confirmed: dict[str, str]) -> None:
        rows = connection.execute(select(inbox.c.group_name, inbox.c.event_id).where(*self._on_record()))
        ended = {(row.group_name, row.event_id) for row in rows}
        wanted = {(group, id_) for id_, type_ in confirmed.items() for group in self._recording(type_)}
        verdict.add(LOST, (f"{id_} at {group}" for group, id_ in wanted - ended))

    def _judge_letters(self, verdict: Verdict, connection: Connection, confirmed: dict[str, str]) -> None:
        columns = (letters.c.kind, letters.c.event_id, letters.c.cause)
        kept = connection.execute(select(*columns).where(letters.c.event_id.startswith(self.prefix))).all()
        verdict.add(DEAD, (f"{row.event_id}: {row.cause}" for row in kept if row.kind == "dead"))
        parked = {row.event_id for row in kept if row.kind == "parked"}
        taken = self.world.catalog.groups_for
        verdict.add(NOT_PARKED, {id_ for id_, type_ in confirmed.items() if not taken(type_)} - parked)
