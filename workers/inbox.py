"""The inbox in a database: one row per (group, source, event id) decides, by the store's time, which delivery may run.

A row is running until `due_at`, then it may be taken over; one that is retrying has its next attempt at `due_at`.
"""

from typing import Any

from millrace.publishing.store_clock import store_now
from sqlalchemy import ColumnElement, Connection, Row, and_, select, update

from workers.inbox_statements import first_attempt, outcome
from workers.statements import ready
from workers.tables import inbox
from workers.verdicts import RETRYING, RUNNING, Claim, Exhausted, Recorded, Request, Verdict, decide, overtaken

_SEEN = select(
    inbox.c.state,
    inbox.c.fingerprint,
    inbox.c.attempts,
    inbox.c.generation,
    inbox.c.fence,
    inbox.c.error,
    (inbox.c.due_at - store_now()).label("wait"),
)


def claim(connection: Connection, request: Request) -> Verdict:
    """Claim the event for one attempt, in a write transaction, or say why not."""
    first = claim_first(connection, request)
    if first is not None:
        return first
    row = recorded(connection.execute(_SEEN.where(_key(request)).with_for_update()).one())
    verdict = decide(row, request)
    held = verdict.held if isinstance(verdict, Exhausted) else verdict
    if isinstance(held, Claim):
        values = {
            "state": RUNNING,
            "attempts": held.attempt,
            "generation": max(request.generation, row.generation),
            "owner": request.owner,
            "fence": held.fence,
            "due_at": store_now() + request.lease_seconds,
            "updated_at": store_now(),
        }
        connection.execute(update(inbox).where(_key(request)).values(values))
    return verdict


def recorded(row: Row[*tuple[Any, ...]]) -> Recorded:
    """What a row says."""
    return Recorded(**row._mapping)


def look(connection: Connection, group: str, source: str, event_id: str) -> Recorded | None:
    """What is on record of an event, if anything."""
    named = and_(inbox.c.group_name == group, inbox.c.source == source, inbox.c.event_id == event_id)
    row = connection.execute(_SEEN.where(named)).one_or_none()
    return None if row is None else recorded(row)


def claim_first(connection: Connection, request: Request) -> Claim | None:
    """Claim the event if nobody has before, in one statement; None if it is on record."""
    event = request.envelope
    values = {
        "group_name": request.group,
        "source": event.source,
        "event_id": event.id,
        "type": event.type,
        "fingerprint": request.fingerprint,
        "generation": request.generation,
        "owner": request.owner,
        "lease": request.lease_seconds,
        "state": RUNNING,
        "traceparent": event.traceparent,
    }
    added = ready(first_attempt(connection.dialect), values).run(connection)
    return None if added.one_or_none() is None else Claim(request=request, attempt=1, fence=1)


def _key(request: Request) -> ColumnElement[bool]:
    event = request.envelope
    return and_(inbox.c.group_name == request.group, inbox.c.source == event.source, inbox.c.event_id == event.id)


def complete(connection: Connection, held: Claim, state: str, *, milliseconds: float, error: str | None = None) -> None:
    """Record an outcome, in the transaction of its effects; raises Fenced if the claim was taken over."""
    values = {"new_state": state, "took": milliseconds, "why": error, "held_state": RUNNING, "held_fence": held.fence}
    event = held.request.envelope
    key = {"of_group": held.request.group, "from_source": event.source, "with_id": event.id}
    if ready(outcome(connection.dialect), {**key, **values}).run(connection).rowcount != 1:
        raise overtaken(held)


def postpone(connection: Connection, held: Claim, *, seconds: float, error: str) -> None:
    """Record a failed attempt and when the next one is due; raises Fenced if the claim was taken over."""
    _settle(connection, held, {"state": RETRYING, "due_at": store_now() + seconds, "error": error})


def exhaust(connection: Connection, held: Claim, *, error: str) -> None:
    """Record that no attempt may follow this one; raises Fenced if the claim was taken over."""
    _settle(connection, held, {"attempts": held.request.max_attempts, "error": error})


def require_held(connection: Connection, held: Claim) -> None:
    """Raise Fenced if another delivery has taken the event over; locks the row until the transaction ends."""
    row = connection.execute(select(inbox.c.fence).where(_mine(held)).with_for_update()).one_or_none()
    if row is None:
        raise overtaken(held)


def _mine(held: Claim) -> ColumnElement[bool]:
    return and_(_key(held.request), inbox.c.fence == held.fence, inbox.c.state == RUNNING)


def _settle(connection: Connection, held: Claim, values: dict[str, object]) -> None:
    changed = connection.execute(update(inbox).where(_mine(held)).values(updated_at=store_now(), **values))
    if changed.rowcount != 1:
        raise overtaken(held)
