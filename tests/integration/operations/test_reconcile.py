"""The reconciliation on each store: every outcome has its place, and what has none is named."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from click.testing import CliRunner, Result
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, Table, delete, insert, update

from operations import reconciliation
from operations.cli import FAILED, INVALID, cli
from operations.reconciliation import UNACCOUNTED, Finding, Reconciliation
from operations.why import NOT_ADDRESSED, NOT_RECORDED, why
from tests.integration.workers.sample_catalog import CATALOG, EXTENDED
from tests.postgres_server import fresh_database
from tests.unrecorded import without_record
from workers.database import begin, connect, reading
from workers.migrate import migrate
from workers.reconciliation import GONE_SECONDS, note_addressed
from workers.tables import accepted, addressed, inbox, letters, retention

GROUPS = [group.name for group in CATALOG.groups]
DAY = 86_400.0
OLD, YOUNG = -DAY, -60.0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database, once on each store."""
    with ExitStack() as stack:
        found = f"sqlite:///{tmp_path_factory.mktemp('store') / 'millrace.db'}"
        if request.param == "postgresql":
            found = stack.enter_context(fresh_database(request.getfixturevalue("postgres_url")))
        migrate(found)
        yield found


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """Empty tables; all groups of the catalog have taken their types for a month."""
    made = connect(url)
    with begin(made) as connection:
        for table in (accepted, letters, inbox, addressed):
            connection.execute(delete(table))
        for group in GROUPS:
            row = {"group_name": group, "type": "order.placed", "since": store_now() - 30 * DAY, "seen_at": store_now()}
            connection.execute(insert(addressed).values(row))
    yield made
    made.dispose()


def add(engine: Engine, table: Table, **values: Any) -> None:
    """Add a row; times are given in seconds from now."""
    timed = {name: store_now() + value if name.endswith("_at") else value for name, value in values.items()}
    with begin(engine) as connection:
        connection.execute(insert(table).values(timed))


def accept(engine: Engine, id_: str, age: float = OLD, type_: str = "order.placed") -> None:
    add(engine, accepted, source="/s", event_id=id_, type=type_, accepted_at=age)


def settle(engine: Engine, id_: str, group: str, state: str = "processed", age: float = OLD, **values: Any) -> None:
    row = {"fingerprint": "f", "attempts": 2, "generation": 0, "owner": "o", "fence": 1, "type": "order.placed"}
    times = {"due_at": age, "first_seen_at": age, "updated_at": age}
    key = {"group_name": group, "source": "/s", "event_id": id_, "state": state}
    add(engine, inbox, **{**row, **times, **key, **values})


def write(engine: Engine, id_: str, group: str | None, state: str, closed: float | None = None, **values: Any) -> None:
    """Add a letter; a parked one if there is no group."""
    row = {"kind": "dead" if group else "parked", "state": state, "group_name": group, "source": "/s"}
    more = {"event_id": id_, "type": "t", "cause": "c", "headers": {}, "routing_key": "k", "body": b"{}"}
    key = f"{id_}-{group}-{state}-{closed}-{values}"[:64]
    times = {"received_at": OLD} | ({} if closed is None else {"closed_at": closed})
    add(engine, letters, **{**row, **more, **times, "letter_key": key, "generation": 0, **values})


def compare(engine: Engine, **settings: Any) -> tuple[list[Finding], dict[str | None, dict[str, int]], int]:
    """The findings, the totals of each group without zeros, and how many were accepted."""
    comparison = Reconciliation(engine, settings.pop("catalog", CATALOG), **settings)
    findings = list(comparison.findings())
    totals = {
        group: {name: count for name, count in found.items() if count}
        for group, found in comparison.totals.groups.items()
    }
    assert comparison.totals.unaccounted == len(findings)
    return findings, totals, comparison.totals.accepted


def in_ledger(engine: Engine, **settings: Any) -> str:
    """The outcome of the one event in the group ledger: a word of the totals, or the reason why there is none."""
    findings, totals, _ = compare(engine, **settings)
    ((outcome, count),) = totals["ledger"].items()
    assert count == 1
    return next((f["reason"] for f in findings if f["group"] == "ledger"), outcome)


#: What is on record of an old event in the group ledger, its outcome, and whether `why` has the same word.
CASES: dict[str, tuple[list[tuple[Any, ...]], str, bool]] = {
    "processed": ([(settle, "processed")], "processed", True),
    "discarded": ([(settle, "discarded")], "discarded", True),
    "a conflict counts more": ([(settle, "processed"), (write, "open")], "dead-lettered", True),
    "dead": ([(settle, "dead-lettered"), (write, "open")], "dead-lettered", True),
    "dead by the broker": ([(write, "open")], "dead-lettered", True),
    "dead just now": ([(settle, "dead-lettered", YOUNG)], "dead-lettered", True),
    "given up": ([(settle, "dead-lettered"), (write, "discarded", OLD)], "discarded", True),
    "given up without a row": ([(write, "discarded", OLD)], "discarded", True),
    "replayed just now": ([(settle, "dead-lettered"), (write, "replayed", YOUNG)], "in flight", True),
    "replayed and done": ([(settle, "processed"), (write, "replayed", OLD)], "processed", True),
    "running": ([(settle, "running", YOUNG)], "in flight", True),
    "retrying": ([(settle, "retrying", DAY)], "in flight", True),
    "letter lost": ([(settle, "dead-lettered")], "dead-lettered, and its letter has not come to the table", False),
    "letter of before": (
        [(settle, "dead-lettered", OLD, {"generation": 1}), (write, "replayed", OLD)],
        "dead-lettered, and its letter has not come to the table",
        False,
    ),
    "replay lost": ([(settle, "dead-lettered"), (write, "replayed", OLD)], "replayed, and not seen since", False),
    "replay lost, no row": ([(write, "replayed", OLD)], "replayed, and not seen since", False),
    "run lost": ([(settle, "running")], "an attempt or its retry was due long ago", False),
    "retry lost": ([(settle, "retrying")], "an attempt or its retry was due long ago", False),
    "no trace": ([], "no trace of it", False),
}


def test_each_outcome(engine: Engine) -> None:
    """The words are those of `why`; what is no outcome is named with what is known of it."""
    for case, (recorded, _, _) in CASES.items():
        accept(engine, case, OLD + (case == "no trace"))
        for act, state, *more in recorded:
            if act is write:
                write(engine, case, "ledger", state, *more)
            else:
                settle(engine, case, "ledger", state, *more[:1], **(more[1] if len(more) > 1 else {}))
    findings, totals, _ = compare(engine)
    reasons = {finding["event_id"]: finding["reason"] for finding in findings if finding["group"] == "ledger"}
    assert reasons == {case: expected for case, (_, expected, as_why) in CASES.items() if not as_why}
    outcomes = [expected if as_why else UNACCOUNTED for _, expected, as_why in CASES.values()]
    assert totals["ledger"] == Counter(outcomes)
    with reading(engine) as connection:
        for case, (_, expected, as_why) in CASES.items():
            said = why(connection, CATALOG, case)["groups"]["ledger"]["outcome"]
            assert not as_why or said == expected, case


PARKED = {
    "waits": ("open", None, "parked"),
    "released just now": ("released", YOUNG, "in flight"),
    "released and lost": ("released", OLD, "released, and not seen since"),
    "let go": ("discarded", OLD, "discarded"),
}


@pytest.mark.parametrize("type_", ["order.placed", "order.shipped"])
def test_parked(engine: Engine, type_: str) -> None:
    for case, (state, closed, _) in PARKED.items():
        accept(engine, case, type_=type_)
        write(engine, case, None, state, closed)
    findings, totals, _ = compare(engine)
    group = "ledger" if type_ == "order.placed" else None
    assert totals[group] == {"parked": 1, "in flight": 1, "discarded": 1, UNACCOUNTED: 1}
    named = {finding["event_id"]: finding["reason"] for finding in findings if finding["group"] == group}
    assert named == {"released and lost": PARKED["released and lost"][2]}


def test_an_event_that_no_group_takes_must_be_parked(engine: Engine) -> None:
    accept(engine, "young", YOUNG, "order.shipped")
    accept(engine, "gone", OLD, "order.shipped")
    accept(engine, "handled", OLD, "order.shipped")
    settle(engine, "handled", "a-group-of-before")
    findings, totals, _ = compare(engine)
    assert totals[None] == {"in flight": 1, NOT_ADDRESSED: 1, UNACCOUNTED: 1}
    assert [(finding["event_id"], finding["group"]) for finding in findings] == [("gone", None)]


def test_a_young_event_is_in_flight(engine: Engine) -> None:
    accept(engine, "e", -20.0)
    assert in_ledger(engine) == "in flight"
    assert in_ledger(engine, grace=10.0) == "in flight", "a lease later than the grace it may still run"
    assert in_ledger(engine, grace=0.0) == "no trace of it"


def test_what_its_queue_holds_is_in_flight(engine: Engine) -> None:
    """Nobody works off the group: its events wait, however old; one more than the queue holds is too many."""
    for number in range(3):
        accept(engine, f"e{number}", OLD + number)
    assert compare(engine, queued={"ledger": 3})[1]["ledger"] == {"in flight": 3}
    findings, totals, _ = compare(engine, queued={"ledger": 2})
    assert totals["ledger"] == {UNACCOUNTED: 3}
    assert [f["event_id"] for f in findings if f["group"] == "ledger"] == ["e0", "e1", "e2"]


def test_a_group_without_a_record_owes_only_what_has_not_ended_well(engine: Engine) -> None:
    for id_ in ("old", "later", "stuck", "buried"):
        accept(engine, id_, OLD + (60 if id_ == "later" else 0))
        for group in GROUPS:
            if group != "ledger":
                settle(engine, id_, group)
    accept(engine, "young", YOUNG)
    settle(engine, "later", "ledger")
    settle(engine, "stuck", "ledger", "running")
    settle(engine, "buried", "ledger", "dead-lettered")
    findings, totals, _ = compare(engine, catalog=without_record(CATALOG, "ledger"))
    assert totals["ledger"] == {NOT_RECORDED: 2, "processed": 1, UNACCOUNTED: 2}
    assert {each["event_id"] for each in findings if each["group"] == "ledger"} == {"stuck", "buried"}


def test_an_event_that_later_ones_have_passed_is_lost_whatever_waits(engine: Engine) -> None:
    accept(engine, "lost", 2 * OLD)
    accept(engine, "done", OLD)
    for group in GROUPS:
        settle(engine, "done", group)
    findings, totals, _ = compare(engine, queued=dict.fromkeys(GROUPS, 1000))
    assert {(f["event_id"], f["group"], f["reason"]) for f in findings} == {
        ("lost", group, "no trace of it, though later events have been handled") for group in GROUPS
    }
    assert totals["ledger"] == {"processed": 1, UNACCOUNTED: 1}


def test_an_event_from_before_its_group_is_not_owed(engine: Engine) -> None:
    """The keeper notes since when a group takes a type; what was parked before is released, so it has a trace."""
    accept(engine, "before", OLD, "order.shipped")
    accept(engine, "parked before", OLD, "order.shipped")
    write(engine, "parked before", None, "released", OLD)
    note_addressed(engine, EXTENDED)
    findings, totals, _ = compare(engine, catalog=EXTENDED)
    assert totals["shipping"] == {NOT_ADDRESSED: 1, UNACCOUNTED: 1}
    assert [finding["event_id"] for finding in findings] == ["parked before"]


def test_noting_again_changes_nothing(engine: Engine) -> None:
    """Not even if the keeper of another release, whose catalog lacks a group, has noted in between."""

    def noted() -> dict[str, float]:
        with reading(engine) as connection:
            return {row.group_name: row.since for row in connection.execute(addressed.select())}

    note_addressed(engine, EXTENDED)
    before = noted()
    assert before.keys() == {*GROUPS, "shipping"}
    for catalog in (CATALOG, EXTENDED):
        note_addressed(engine, catalog)
        assert noted() == before


def test_a_group_that_comes_back_owes_from_then_on(engine: Engine) -> None:
    """What was accepted while it was gone went to others only."""
    accept(engine, "e")
    with begin(engine) as connection:
        connection.execute(update(addressed).values(seen_at=store_now() - GONE_SECONDS - 1))
    note_addressed(engine, CATALOG)
    assert in_ledger(engine) == NOT_ADDRESSED


def test_an_alias_is_its_type(engine: Engine) -> None:
    accept(engine, "e", type_="ORDER")
    assert in_ledger(engine) == "no trace of it"


def test_the_same_id_of_another_source_is_another_event(engine: Engine) -> None:
    accept(engine, "e")
    settle(engine, "e", "ledger", source="/other")
    write(engine, "e", "ledger", "open", source="/other")
    assert in_ledger(engine) == "no trace of it"


def test_in_slices_it_counts_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(25):
        accept(engine, f"e{number}", OLD + number)
        for group in GROUPS:
            if number % 5:
                settle(engine, f"e{number}", group)
    whole = compare(engine)
    monkeypatch.setattr(reconciliation, "SLICE", 4)
    sliced = compare(engine)
    assert (whole[1:], len(whole[0])) == (sliced[1:], len(sliced[0]))
    assert whole[2] == 25
    assert all(sum(counts.values()) == 25 for group, counts in whole[1].items() if group)
    assert {f["event_id"] for f in whole[0]} == {f"e{number}" for number in range(0, 25, 5)}


def test_since(engine: Engine) -> None:
    accept(engine, "older", 2 * OLD)
    accept(engine, "newer", OLD)
    with reading(engine) as connection:
        since = connection.execute(store_now().select()).scalar_one() + 1.5 * OLD
    assert {f["event_id"] for f in compare(engine, since=since)[0]} == {"newer"}


def test_what_is_older_than_the_retention_is_left_out(engine: Engine) -> None:
    """Its outcome may have gone, and its entry in the index not yet."""
    accept(engine, "e", OLD)
    with begin(engine) as connection:
        old = retention.c.what == "accepted"
        connection.execute(update(retention).where(old).values(removed_before=store_now() + OLD / 2))
    assert compare(engine)[2] == 0
    with begin(engine) as connection:
        connection.execute(update(retention).values(removed_before=0.0))


def millrace(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, *arguments: str) -> Result:
    monkeypatch.setattr("operations.connections.STATE_DIRECTORY", tmp_path)
    monkeypatch.setenv("MILLRACE_DATABASE_URL", url)
    monkeypatch.setenv("MILLRACE_CATALOG", "tests.integration.workers.sample_catalog:CATALOG")
    for name in ("BROKER_URL", "MONITORING_URL"):
        monkeypatch.delenv(f"MILLRACE_{name}", raising=False)
    return CliRunner().invoke(cli, ["reconcile", *arguments])


def test_the_command(engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Exit code 0 if all adds up, 1 and each event named if not, 2 if it was asked wrongly."""
    accept(engine, "done", OLD + 60)
    for group in GROUPS:
        settle(engine, "done", group)
    good = millrace(url, monkeypatch, tmp_path)
    assert (good.exit_code, "all adds up: 1 accepted events" in good.stdout) == (0, True), good.output
    assert "the broker was not asked" in good.stderr
    accept(engine, "lost")
    bad = millrace(url, monkeypatch, tmp_path)
    assert bad.exit_code == FAILED
    lost = "lost (order.placed, from /s) in ledger, accepted 24 hours ago: no trace of it, though later events"
    assert lost in bad.stdout
    assert "3 do not add up, of 2 accepted events" in bad.stdout
    found = json.loads(millrace(url, monkeypatch, tmp_path, "--json").stdout)
    assert {(f["event_id"], f["group"]) for f in found["unaccounted"]} == {("lost", group) for group in GROUPS}
    assert (found["accepted"], found["adds_up"]) == (2, False)
    assert found["groups"]["ledger"] | {"accepted": 2, "processed": 1, UNACCOUNTED: 1} == found["groups"]["ledger"]
    assert json.loads(millrace(url, monkeypatch, tmp_path, "--since", "1h", "--json").stdout)["unaccounted"] == []
    for wrong in (("--since", "yesterday"), ("--grace", "1"), ("--since", "1w"), ("extra",)):
        assert millrace(url, monkeypatch, tmp_path, *wrong).exit_code == INVALID


def test_an_inbox_in_another_store_is_said(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    accept(engine, "e", YOUNG)
    monkeypatch.setenv("MILLRACE_INBOX_URL", "redis://127.0.0.1:1/0")
    result = millrace(url, monkeypatch, tmp_path)
    assert (result.exit_code, "the inbox is in another store" in result.stderr) == (0, True)
