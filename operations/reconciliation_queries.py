"""The outcome of each accepted event in a group, as one SQL expression: what `why` says of one event, of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, exists, false, func, literal, or_, select

from operations.why import NOT_ADDRESSED, NOT_RECORDED
from workers.letters import DEAD, OPEN, PARKED, RELEASED, REPLAYED
from workers.tables import accepted, inbox, letters
from workers.verdicts import DEAD_LETTERED, DISCARDED, PROCESSED, RETRYING, RUNNING

IN_FLIGHT = "in flight"
#: What does not add up, and what is known of it.
CERTAIN = {
    "lost": "no trace of it, though later events have been handled",
    "no letter": "dead-lettered, and its letter has not come to the table",
}
#: What does not add up unless it waits in a queue.
UNLESS_QUEUED = {
    "waiting": "no trace of it",
    "overdue": "an attempt or its retry was due long ago",
    "replay lost": "replayed, and not seen since",
    "release lost": "released, and not seen since",
}


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which accepted events, as times of the store: those after `after` up to and with `until`; it is `now`."""

    after: float
    until: float
    now: float


@dataclass(frozen=True, kw_only=True)
class Debt:
    """What a group owes: an outcome for each event of these names (types, aliases) accepted since.

    Within `grace` seconds an event may be on its way; up to `frontier` the group's queue has been worked off. What is
    not `recorded` is told of only if it did not end well at once.
    """

    group: str
    names: Mapping[str, float]
    grace: float
    frontier: float | None
    recorded: bool = True


def outcomes(debt: Debt, window: Window) -> FromClause:
    """Source, id, type, time and outcome of each accepted event in the group, with what the inbox knows of it."""
    settled_by = and_(
        inbox.c.group_name == debt.group, inbox.c.source == accepted.c.source, inbox.c.event_id == accepted.c.event_id
    )
    taken = and_(_within(window), accepted.c.type.in_(list(debt.names)))
    columns = [inbox.c[name] for name in ("state", "attempts", "updated_at", "error")]
    outcome = _outcome(debt, window.now).label("outcome")
    return (
        select(accepted, *columns, outcome).select_from(accepted.outerjoin(inbox, settled_by)).where(taken).subquery()
    )


def without_group(names: Sequence[str], window: Window, grace: float) -> FromClause:
    """The same for the events that no group takes: parked, or the trace of a group that the catalog has no more."""
    young = accepted.c.accepted_at > window.now - grace
    left = exists().where(inbox.c.event_id == accepted.c.event_id, inbox.c.source == accepted.c.source)
    outcome = case(
        *_of_parked(window.now - grace),
        (left, NOT_ADDRESSED),
        (young, IN_FLIGHT),
        else_="waiting",
    ).label("outcome")
    nothing = [literal(None).label(name) for name in ("state", "attempts", "updated_at", "error")]
    return select(accepted, *nothing, outcome).where(_within(window), accepted.c.type.not_in(list(names))).subquery()


def counts(found: FromClause) -> Select[Any]:
    """How many events have which outcome."""
    return select(found.c.outcome, func.count().label("count")).group_by(found.c.outcome)


def named(found: FromClause, which: Mapping[str, str]) -> Select[Any]:
    """The events of these outcomes, oldest first."""
    return select(found).where(found.c.outcome.in_(list(which))).order_by(found.c.accepted_at)


def _within(window: Window) -> ColumnElement[bool]:
    return and_(accepted.c.accepted_at > window.after, accepted.c.accepted_at <= window.until)


def _outcome(debt: Debt, now: float) -> ColumnElement[str]:
    """An open dead letter counts most, then the inbox, then a letter, then what may be on its way."""
    lately = now - debt.grace
    no_row = inbox.c.state.is_(None)
    since = case(dict(debt.names), value=accepted.c.type, else_=now)
    passed = accepted.c.accepted_at <= debt.frontier if debt.frontier is not None else false()
    without_trace = [(accepted.c.accepted_at > lately, IN_FLIGHT), (passed, "lost")]
    return case(
        (_letter(DEAD, debt.group, letters.c.state == OPEN), DEAD_LETTERED),
        (inbox.c.state.in_([PROCESSED, DISCARDED]), inbox.c.state),
        *_of_dead(debt.group, lately),
        (and_(inbox.c.state.in_([RUNNING, RETRYING]), inbox.c.due_at > lately), IN_FLIGHT),
        (inbox.c.state.in_([RUNNING, RETRYING]), "overdue"),
        *((and_(no_row, condition), outcome) for condition, outcome in _of_parked(lately)),
        (accepted.c.accepted_at < since, NOT_ADDRESSED),
        *(without_trace if debt.recorded else ()),
        else_="waiting" if debt.recorded else NOT_RECORDED,
    )


def _of_dead(group: str, lately: float) -> list[tuple[ColumnElement[bool], str]]:
    """Dead-lettered by the inbox, or without a row and with a letter: the letter of that generation says more."""
    buried = inbox.c.state == DEAD_LETTERED
    unless_newer = or_(inbox.c.state.is_(None), and_(buried, letters.c.generation >= inbox.c.generation))
    mine = or_(inbox.c.state.is_(None), buried)
    return [
        (and_(mine, _letter(DEAD, group, letters.c.state == DISCARDED, unless_newer)), DISCARDED),
        (and_(mine, _closed_lately(DEAD, group, REPLAYED, lately, unless_newer)), IN_FLIGHT),
        (and_(mine, _letter(DEAD, group, letters.c.state == REPLAYED, unless_newer)), "replay lost"),
        (and_(buried, inbox.c.updated_at > lately), DEAD_LETTERED),
        (buried, "no letter"),
    ]


def _of_parked(lately: float) -> list[tuple[ColumnElement[bool], str]]:
    return [
        (_letter(PARKED, None, letters.c.state == OPEN), PARKED),
        (_closed_lately(PARKED, None, RELEASED, lately), IN_FLIGHT),
        (_letter(PARKED, None, letters.c.state == RELEASED), "release lost"),
        (_letter(PARKED, None, letters.c.state == DISCARDED), DISCARDED),
    ]


def _closed_lately(kind: str, group: str | None, state: str, lately: float, *more: ColumnElement[bool]) -> Any:
    return _letter(kind, group, letters.c.state == state, letters.c.closed_at > lately, *more)


def _letter(kind: str, group: str | None, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the event has such a letter."""
    same = and_(
        letters.c.event_id == accepted.c.event_id, letters.c.source == accepted.c.source, letters.c.kind == kind
    )
    ours = [letters.c.group_name == group] if group is not None else []
    return exists().where(same, *ours, *more).correlate(accepted, inbox)
