"""What became of an event: one outcome per group, one word for the whole."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from millrace import names
from millrace.declarations import Catalog
from millrace.errors import UnknownEventType
from sqlalchemy import Connection

from operations.event_facts import EventFacts, Row, event_facts, precedes
from operations.function_outcomes import FunctionOutcomes
from workers.received import CELERY_SOURCE

#: Where one word must do, the earlier counts (design, section 1).
WORST_FIRST = ("dead-lettered", "in flight", "parked", "discarded", "processed", "not recorded")
#: What ended well in a group that keeps no record of that, or has not ended yet: nobody can tell (decision 0507).
NOT_RECORDED = WORST_FIRST[-1]
FINAL = frozenset({"dead-lettered", "discarded", "processed"})
UNKNOWN = "unknown"
#: Why a function's record is not known where nobody has looked at it.
NOT_ASKED = "the function's inbox was not asked"
#: Accepted before the group was there: no outcome of the event, so it never counts.
NOT_ADDRESSED = "not addressed"

Report = dict[str, Any]


def worst(outcomes: Iterable[str]) -> str:
    """The worst of some outcomes; `unknown` if there are none."""
    found = set(outcomes)
    return next((outcome for outcome in WORST_FIRST if outcome in found), UNKNOWN)


def why(
    connection: Connection,
    catalog: Catalog,
    event_id: str,
    source: str | None = None,
    functions: FunctionOutcomes | None = None,
) -> Report:
    """The report on an event id: of one source, or of all of them with the worst outcome of each group."""
    everything = event_facts(connection, event_id)
    problem = functions.add_to(everything, event_id) if functions else NOT_ASKED
    chosen = [facts for facts in everything if source is None or facts.source == source]
    reports = [report_of(facts, catalog, partial(precedes, connection), problem) for facts in chosen]
    sources = sorted(facts.source for facts in everything if facts.source is not None)
    groups: dict[str, Report] = {}
    for name in dict.fromkeys(name for report in reports for name in report["groups"]):
        candidates = [report["groups"][name] for report in reports if name in report["groups"]]
        groups[name] = min(candidates, key=lambda outcome: (*WORST_FIRST, NOT_ADDRESSED).index(outcome["outcome"]))
    return {
        "id": event_id,
        "type": next((report["type"] for report in reports if report["type"]), None),
        "source": reports[0]["source"] if len(reports) == 1 else source,
        "sources": sources,
        "state": worst(report["state"] for report in reports),
        "accepted_at": next((report["accepted_at"] for report in reports if report["accepted_at"]), None),
        "groups": groups,
        "letters": [letter for report in reports for letter in report["letters"]],
    }


def report_of(
    facts: EventFacts, catalog: Catalog, precedes: Callable[[EventFacts, str], bool], problem: str | None = None
) -> Report:
    """The report on one event of one source; `precedes` tells whether the event is older than a group.

    `problem` says why nothing is known of what functions have on record.
    """
    unrecorded = _without_record(catalog, problem)
    groups = {
        name: {**_outcome(facts, name, recorded=name not in unrecorded), "source": facts.source}
        for name in _groups(facts, catalog)
    }
    without_trace = [name for name in groups if not _has_trace(facts, name) and name not in unrecorded]
    others = {group["outcome"] for name, group in groups.items() if name not in without_trace} - {NOT_RECORDED}
    if others and others <= FINAL:
        for name in without_trace:
            if precedes(facts, name):
                groups[name]["outcome"] = NOT_ADDRESSED
    for function in catalog.lambda_groups if problem else ():
        if groups.get(function.name, {}).get("outcome") == NOT_RECORDED:
            groups[function.name]["error"] = problem
    outcomes = [group["outcome"] for group in groups.values()]
    return {
        "source": facts.source,
        "type": _canonical(facts.type, catalog),
        "state": worst([*outcomes, *_without_group(facts, any_group=bool(groups))]),
        "accepted_at": _time(facts.accepted[0]["accepted_at"]) if facts.accepted else None,
        "groups": groups,
        "letters": [_letter(letter) for letter in facts.letters],
    }


def _without_record(catalog: Catalog, problem: str | None) -> set[str]:
    """The groups and functions of which no record tells that an event ended well."""
    names_ = {group.name for group in catalog.groups if group.idempotent}
    asked = () if problem else catalog.lambda_groups
    return names_ | {function.name for function in catalog.functions if function not in asked}


def _has_trace(facts: EventFacts, group: str) -> bool:
    """Whether the event has been at the group, or is on its way there for all we can see."""
    rows = (*facts.inbox, *facts.letters)
    return any(row["group_name"] == group or row.get("kind") == "parked" for row in rows) or any(
        row["published_at"] is None or _addressee(row) == group for row in facts.outbox
    )


def _canonical(type_: str | None, catalog: Catalog) -> str | None:
    try:
        return catalog.event(type_).type if type_ else None
    except UnknownEventType:
        return type_


def _groups(facts: EventFacts, catalog: Catalog) -> list[str]:
    """The groups that have a part in the event: those on record, and those bound to its type."""
    recorded = [row["group_name"] for row in (*facts.inbox, *facts.letters) if row["group_name"]]
    addressed = [_addressee(row) for row in facts.outbox]
    own = [name for name in addressed if name]
    type_ = _canonical(facts.type, catalog)
    bound: Sequence[str] = ()
    if type_ and (owner := catalog.task_owner(type_)):
        bound = (owner.name,)
    elif type_ and (facts.accepted or _not_indexed_yet(facts, own) or _parked(facts, "open", "released")):
        bound = [one.name for one in (*catalog.groups_for(type_), *catalog.functions_for(type_))]
    return list(dict.fromkeys([*bound, *recorded, *own]))


def _not_indexed_yet(facts: EventFacts, own: Sequence[str]) -> bool:
    """Whether the event went to all groups of its type, as far as its inbox rows tell: the index is a moment behind.

    Only a Celery message may have come to one group alone without a trace of that.
    """
    return len(own) < len(facts.outbox) or (facts.source != CELERY_SOURCE and not facts.letters and not own)


def _addressee(row: Row) -> str | None:
    """The group that an outbox row is for alone (a replay, a group's own task, a dead letter)."""
    prefix = names.group_key("")
    return row["routing_key"].removeprefix(prefix) if row["exchange"] in (names.GROUPS, names.DEAD) else None


def _outcome(facts: EventFacts, group: str, *, recorded: bool) -> Report:
    """The outcome in one group: an open dead letter counts most, then the inbox, then what is on its way."""
    row = next((row for row in facts.inbox if row["group_name"] == group), None)
    dead = [letter for letter in facts.letters if letter["kind"] == "dead" and letter["group_name"] == group]
    still_open = [letter for letter in dead if letter["state"] == "open"]
    if still_open:
        return _from_letter(still_open[-1], row)
    if row is not None:
        return _from_inbox(row, dead[-1] if dead else None)
    if dead and dead[-1]["state"] == "discarded":
        return _from_letter(dead[-1], None) | {"outcome": "discarded"}
    unpublished = next((entry for entry in facts.outbox if entry["published_at"] is None), None)
    on_its_way = "in flight" if recorded or unpublished else NOT_RECORDED
    waiting = "parked" if _parked(facts, "open") else on_its_way
    return {"outcome": waiting, "attempts": 0, "error": unpublished["error"] if unpublished else None}


def _from_letter(letter: Row, row: Row | None) -> Report:
    attempts = letter["attempts"] if letter["attempts"] is not None else row["attempts"] if row else 0
    return {
        "outcome": "dead-lettered",
        "attempts": attempts,
        "error": letter["error"],
        "cause": letter["cause"],
        "letter": letter["id"],
        "at": _time(letter["received_at"]),
    }


def _from_inbox(row: Row, closed: Row | None) -> Report:
    report = {
        "outcome": _state(row, closed),
        "attempts": row["attempts"],
        "error": row["error"],
        "at": _time(row["updated_at"]),
        "first_seen_at": _time(row["first_seen_at"]),
        "milliseconds": row["milliseconds"],
        "traceparent": row["traceparent"],
    }
    if row["state"] == "retrying":
        report["retry_at"] = _time(row["due_at"])
    if row["state"] == "running":
        report["running_until"] = _time(row["due_at"])
    return report


def _state(row: Row, closed: Row | None) -> str:
    """Processed and discarded are final; a closed letter says whether a dead-lettered event is on its way again."""
    state: str = row["state"]
    if state in ("processed", "discarded"):
        return state
    if state == "dead-lettered":
        if closed is None or row["generation"] > closed["generation"]:
            return "dead-lettered"
        return "discarded" if closed["state"] == "discarded" else "in flight"
    return "in flight"


def _parked(facts: EventFacts, *states: str) -> bool:
    return any(letter["kind"] == "parked" and letter["state"] in states for letter in facts.letters)


def _without_group(facts: EventFacts, *, any_group: bool) -> list[str]:
    """What an event's state is beyond its groups: parked, rejected or known but bound nowhere."""
    if _parked(facts, "open"):
        return ["parked"]
    if any_group:
        return []
    parked = [letter for letter in facts.letters if letter["kind"] == "parked"]
    if parked:
        return ["discarded" if parked[-1]["state"] == "discarded" else "in flight"]
    dead = [letter for letter in facts.letters if letter["kind"] == "dead"]
    if dead:
        return ["dead-lettered" if dead[-1]["state"] == "open" else "discarded"]
    if any(letter["kind"] == "rejected" for letter in facts.letters):
        return ["discarded"]
    return ["parked"] if facts.accepted else ["in flight"]


def _letter(letter: Row) -> Report:
    return {
        "id": letter["id"],
        "kind": letter["kind"],
        "state": letter["state"],
        "group": letter["group_name"],
        "cause": letter["cause"],
        "error": letter["error"],
        "received_at": _time(letter["received_at"]),
        "closed_at": _time(letter["closed_at"]),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
