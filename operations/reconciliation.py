"""The accepted log against the outcomes, per (event, group): every accepted event has one, or is named.

In slices of the log, each a snapshot: memory and locks stay bounded however long the log is.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from millrace.declarations import Catalog, WorkerGroup
from millrace.derived import timing
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, Engine, FromClause, Row, and_, func, select

from operations.reconciliation_queries import (
    CERTAIN,
    IN_FLIGHT,
    UNLESS_QUEUED,
    Debt,
    Window,
    counts,
    named,
    outcomes,
    without_group,
)
from workers.retention_removal import SETTLED
from workers.tables import accepted, addressed, inbox, retention

#: How many accepted events one slice has.
SLICE = 20_000
#: A younger event may be on its way.
GRACE_SECONDS = 3600.0
#: So many of a group's latest events tell up to where its queue has been worked off.
_LATEST = 200
UNACCOUNTED = "unaccounted"

Finding = dict[str, Any]


@dataclass(kw_only=True)
class Totals:
    """How many events were accepted, and per group (None: no group takes it) how many have which outcome."""

    accepted: int = 0
    groups: dict[str | None, Counter[str]] = field(default_factory=dict)

    @property
    def unaccounted(self) -> int:
        """How many (event, group) have no outcome."""
        return sum(found[UNACCOUNTED] for found in self.groups.values())


@dataclass
class Reconciliation:
    """One comparison; `since` is a time of the store, `queued` the messages that each group's queue holds.

    What is older than the retention is left out: outcomes may be gone.

    Iterate over `findings()` to its end, then `totals` are complete.
    """

    engine: Engine
    catalog: Catalog
    since: float = 0.0
    grace: float = GRACE_SECONDS
    queued: Mapping[str | None, int] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)

    def findings(self) -> Iterator[Finding]:
        """Each (event, group) that does not add up, as it is found."""
        with snapshot(self.engine) as connection:
            now = connection.execute(select(store_now())).scalar_one()
            kept = select(retention.c.removed_before).where(retention.c.what == "accepted")
            self.since = max(self.since, connection.execute(kept).scalar() or 0.0)
            debts = [debt for group in self.catalog.groups if (debt := self._debt(connection, group, now))]
        self.totals.groups = {**{debt.group: Counter() for debt in debts}, None: Counter()}
        for window in self._windows(now):
            yield from self._slice(debts, window)
        for group, found in self.totals.groups.items():
            perhaps = sum(found.pop(code, 0) for code in UNLESS_QUEUED)
            found[IN_FLIGHT] += perhaps
            if perhaps > self.queued.get(group, 0):
                yield from self._not_queued(debts, group, now)

    def _not_queued(self, debts: list[Debt], group: str | None, now: float) -> Iterator[Finding]:
        """More than the queue holds: name them all, for nobody can tell which ones wait."""
        found = self.totals.groups[group]
        for window in self._windows(now):
            with snapshot(self.engine) as connection:
                source = self._source(debts, group, window)
                findings = self._named(connection, source, group, UNLESS_QUEUED, window)
            found[UNACCOUNTED] += len(findings)
            found[IN_FLIGHT] -= len(findings)
            yield from findings

    def _slice(self, debts: list[Debt], window: Window) -> list[Finding]:
        findings: list[Finding] = []
        here = and_(accepted.c.accepted_at > window.after, accepted.c.accepted_at <= window.until)
        with snapshot(self.engine) as connection:
            self.totals.accepted += connection.execute(select(func.count()).where(here)).scalar_one()
            for group, found in self.totals.groups.items():
                source = self._source(debts, group, window)
                outcomes_here = Counter({row.outcome: row.count for row in connection.execute(counts(source))})
                if outcomes_here.keys() & CERTAIN.keys():
                    findings += self._named(connection, source, group, CERTAIN, window)
                for outcome, count in outcomes_here.items():
                    found[UNACCOUNTED if outcome in CERTAIN else outcome] += count
        return findings

    def _source(self, debts: list[Debt], group: str | None, window: Window) -> FromClause:
        if group is None:
            names = sorted({name for debt in debts for name in debt.names})
            return without_group(names, window, self.grace)
        return outcomes(next(debt for debt in debts if debt.group == group), window)

    def _named(
        self, connection: Connection, source: FromClause, group: str | None, which: Mapping[str, str], window: Window
    ) -> list[Finding]:
        rows = connection.execute(named(source, which)).all()
        return [_finding(row, group, which[row.outcome], window.now) for row in rows]

    def _windows(self, now: float) -> Iterator[Window]:
        """Slices of the log, oldest first."""
        after = self.since
        while after < now:
            ahead = select(accepted.c.accepted_at).where(accepted.c.accepted_at > after, accepted.c.accepted_at <= now)
            with snapshot(self.engine) as connection:
                last = connection.execute(ahead.order_by(accepted.c.accepted_at).offset(SLICE - 1).limit(1)).scalar()
            until = now if last is None else last
            yield Window(after=after, until=until, now=now)
            after = until

    def _debt(self, connection: Connection, group: WorkerGroup, now: float) -> Debt | None:
        """What the group takes since when, by the keeper's record; what it has no record of is not owed yet."""
        known = {
            row.type: row.since
            for row in connection.execute(select(addressed).where(addressed.c.group_name == group.name))
        }
        names = {
            name: known.get(payload.event_type, now)
            for payload in group.handles
            for name in (payload.event_type, *self.catalog.event(payload.event_type).aliases)
        }
        grace = self.grace + timing(group).lease
        frontier = _frontier(connection, group.name, now - grace)
        return Debt(group=group.name, names=names, grace=grace, frontier=frontier, recorded=not group.idempotent)


def _frontier(connection: Connection, group: str, before: float) -> float | None:
    """When the latest event was accepted that the group was done with before a time: its queue keeps their order."""
    found: list[float] = []
    for state in SETTLED:
        done = and_(inbox.c.group_name == group, inbox.c.state == state, inbox.c.updated_at < before)
        latest = select(inbox.c.source, inbox.c.event_id).where(done).order_by(inbox.c.updated_at.desc()).limit(_LATEST)
        last = latest.subquery()
        same = and_(accepted.c.source == last.c.source, accepted.c.event_id == last.c.event_id)
        at = connection.execute(select(func.max(accepted.c.accepted_at)).join_from(last, accepted, same)).scalar()
        found += [at] if at is not None else []
    return max(found, default=None)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """What is committed at one moment, for all statements of the block."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection


def _finding(row: Row[Any], group: str | None, reason: str, now: float) -> Finding:
    return {
        "event_id": row.event_id,
        "source": row.source,
        "type": row.type,
        "group": group,
        "accepted_at": _time(row.accepted_at),
        "age_seconds": round(now - row.accepted_at),
        "reason": reason,
        "state": row.state,
        "attempts": row.attempts,
        "updated_at": _time(row.updated_at),
        "error": row.error,
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
