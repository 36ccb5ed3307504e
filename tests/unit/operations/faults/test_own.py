"""Samples for your own catalog: what is taken, and what is refused with its reason."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from millrace.catalog import CATALOG
from millrace.declarations import Catalog
from sqlalchemy import insert

from operations.faults.judging import LOST
from operations.faults.ledger import Ledger
from operations.faults.load import Plan
from operations.faults.own import OwnOracle, SamplesError, own_subject, read_samples
from tests.unrecorded import without_record
from workers.database import begin, connect
from workers.tables import accepted, inbox, metadata


def test_each_event_has_a_text_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text('{"type": "user.signed_up", "data": {"user_id": "u-{n}"}}\n\n')
    subject = own_subject(CATALOG, read_samples(file, CATALOG), None)
    made = subject.events(Plan(events=3, rate=1, behaviour={}), "p", random.Random(1))
    assert [(event.id, event.data["user_id"]) for event in made] == [(f"p-{n}", f"u-p-{n}") for n in range(3)]


def test_without_a_file_the_samples_of_up_are_taken() -> None:
    assert {sample.type for sample in read_samples(None, CATALOG)} == {"user.signed_up"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 1 must be"),
        ('{"type": "user.signed_up"}', "line 1 must be"),
        ('{"type": "no.such", "data": {}}', "no.such"),
        ('{"type": "user.signed_up", "data": {"nobody": 1}}', "is refused"),
        ("", "a sample event must be given"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(line)
    with pytest.raises(SamplesError, match=said):
        read_samples(file, CATALOG)


def found(tmp_path: Path, catalog: Catalog, *, group: str) -> tuple[int, int, set[str]]:
    """Ends expected, ends seen, and what is lost, where an event is on record in one group only."""
    engine = connect(f"sqlite:///{tmp_path / 'store.db'}")
    metadata.create_all(engine)
    named = {"source": "/load", "event_id": "p-1", "type": "user.signed_up"}
    row: dict[str, Any] = dict.fromkeys(("attempts", "generation", "fence"), 1) | {"fingerprint": "f", "owner": "o"}
    row |= dict.fromkeys(("due_at", "first_seen_at", "updated_at"), 1.0) | {"group_name": group, "state": "processed"}
    with begin(engine) as connection:
        connection.execute(insert(accepted).values(**named, accepted_at=1.0))
        connection.execute(insert(inbox).values(row | named))
    ledger = Ledger()
    ledger.mean({"p-1": "user.signed_up"})
    ledger.accept(["p-1"])
    world = cast(Any, SimpleNamespace(catalog=catalog, engine=engine))
    oracle = OwnOracle(world, ledger, "p-")
    with begin(engine) as connection:
        lost = set(oracle.store_verdict(connection).found.get(LOST, ()))
    ends = oracle.expected_effects(), oracle.effects_so_far(), lost
    engine.dispose()
    return ends


def test_each_group_owes_an_outcome(tmp_path: Path) -> None:
    assert found(tmp_path, CATALOG, group="signup") == (2, 1, {"p-1 at analytics"})


def test_a_group_without_a_record_owes_none(tmp_path: Path) -> None:
    catalog = without_record(CATALOG, "analytics")
    assert found(tmp_path, catalog, group="signup") == (1, 1, set())


def test_what_such_a_group_has_on_record_counts_for_no_other(tmp_path: Path) -> None:
    catalog = without_record(CATALOG, "analytics")
    assert found(tmp_path, catalog, group="analytics") == (1, 0, {"p-1 at signup"})
