"""Each line of the oracle goes red for what it is there to find, and for nothing else."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import ColumnElement, Connection, create_engine, delete, insert, update
from sqlalchemy.pool import StaticPool

from operations.faults import judging
from operations.faults.effects import effects, metadata
from operations.faults.judging import judge_store
from operations.faults.ledger import Ledger
from operations.faults.sample import Begun, Called, Poisonous, Unclaimed
from workers import tables

GARBAGE = b'"odd"'


@pytest.fixture
def store() -> Iterator[Connection]:
    """A store in memory with every table."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def ledger(store: Connection) -> Ledger:
    """Four accepted events and one odd message, and a store that holds just what must become of them."""
    types = {"p-1": Begun.event_type, "p-2": Called.event_type}
    types |= {"p-3": Unclaimed.event_type, "p-4": Poisonous.event_type}
    ledger = Ledger(invalid={GARBAGE})
    ledger.mean(types)
    ledger.accept(list(types))
    for group, subject in (("first", "p-1"), ("second", "p-1"), ("caller", "p-2")):
        store.execute(insert(effects).values(effect(group, subject)))
    for group, id_ in (("first", "p-1"), ("caller", "p-2")):
        store.execute(insert(tables.inbox).values(inbox_row(group, id_)))
    for id_, type_ in types.items():
        values = {"source": "/load", "event_id": id_, "type": type_, "accepted_at": 1.0}
        store.execute(insert(tables.accepted).values(values))
    store.execute(insert(tables.letters).values(letter("parked", "p-3", b"3")))
    store.execute(insert(tables.letters).values(letter("dead", "p-4", b"4")))
    store.execute(insert(tables.letters).values(letter("dead", None, GARBAGE)))
    return ledger


def effect(group: str, subject: str) -> dict[str, object]:
    """A row of an effect."""
    return {"group_name": group, "subject": subject, "event_id": f"{group}-{subject}", "attempt": 1, "at": 1.0}


def inbox_row(group: str, id_: str) -> dict[str, object]:
    """A row of the inbox, processed."""
    key = {"group_name": group, "source": "/load", "event_id": id_, "type": "t", "fingerprint": "f", "owner": "o"}
    numbers = {"attempts": 1, "generation": 0, "fence": 1, "due_at": 1.0, "first_seen_at": 1.0, "updated_at": 1.0}
    return {**key, **numbers, "state": "processed"}


def letter(kind: str, id_: str | None, body: bytes) -> dict[str, object]:
    """A row of a letter."""
    known: dict[str, object] = {
        "kind": kind,
        "state": "open",
        "event_id": id_,
        "cause": "c",
        "generation": 0,
        "headers": {},
    }
    return {**known, "routing_key": "k", "body": body, "letter_key": body.hex(), "received_at": 1.0}


def test_all_as_it_must_be_is_green(store: Connection, ledger: Ledger) -> None:
    verdict = judge_store(store, ledger, "p-")
    assert verdict.green, verdict.found


Spoil = Callable[[Connection, Ledger], object]


@pytest.mark.parametrize(
    ("line", "spoil"),
    [
        (judging.LOST, lambda store, _: store.execute(delete(effects).where(effects.c.group_name == "second"))),
        (judging.DOUBLED, lambda store, _: store.execute(insert(effects).values(effect("caller", "p-2")))),
        (judging.PHANTOM, lambda store, _: store.execute(insert(effects).values(effect("first", "p-9")))),
        (judging.UNSETTLED, lambda store, _: store.execute(update(tables.inbox).values(state="running"))),
        (judging.DEAD, lambda store, _: store.execute(insert(tables.letters).values(letter("dead", "p-1", b"1")))),
        (judging.NOT_PARKED, lambda store, _: store.execute(delete(tables.letters).where(of_kind("parked")))),
        (judging.NOT_BURIED, lambda store, _: store.execute(delete(tables.letters).where(of_event("p-4")))),
        (judging.NOT_INDEXED, lambda store, _: store.execute(delete(tables.accepted))),
        (judging.UNRECORDED, lambda _, ledger: ledger.invalid.add(b"other")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_finds_what_it_is_for(store: Connection, ledger: Ledger, line: str, spoil: Spoil) -> None:
    spoil(store, ledger)
    assert set(judge_store(store, ledger, "p-").found) == {line}


def test_an_unsent_row_of_the_outbox_is_left_over(store: Connection, ledger: Ledger) -> None:
    row = {"event_id": "x", "type": "t", "exchange": "e", "routing_key": "k", "body": b"", "headers": {}}
    times = {"created_at": 1.0, "due_at": 1.0, "attempts": 0, "content_type": "c"}
    store.execute(insert(tables.outbox).values({**row, **times}))
    assert judge_store(store, ledger, "p-").found == {judging.LEFT_OVER: ["1 rows in the outbox"]}


def of_kind(kind: str) -> ColumnElement[bool]:
    """Letters of a kind."""
    return tables.letters.c.kind == kind


def of_event(id_: str) -> ColumnElement[bool]:
    """Letters of an event."""
    return tables.letters.c.event_id == id_
