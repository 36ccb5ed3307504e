"""Which rows a relay gets, on each store: keys by their heads, nothing twice, and everything in the end."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from millrace.derived import RELAY_LEASE_SECONDS, STORE_SECONDS
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, delete, select, text

from tests.integration.workers.outbox_rows import (
    claim,
    keyed,
    named,
    record,
    row_of,
    shift,
)
from tests.postgres_server import fresh_database
from workers.database import begin, connect, reading
from workers.migrate import migrate
from workers.relay_claims import CHAIN, WINDOW, set_aside
from workers.relay_rows import LONGEST_ASIDE_SECONDS, LONGEST_WAIT_SECONDS
from workers.relay_turns import anything_due, heal, relay_engine, turn
from workers.tables import outbox

LEASE = RELAY_LEASE_SECONDS


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store for all tests here, once of each kind: its URL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'millrace.db'}"
        migrate(url)
        yield url
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        migrate(url)
        yield url


@pytest.fixture
def engine(store: str) -> Iterator[Engine]:
    """An empty outbox, as a relay is connected to it."""
    made = relay_engine(store)
    with begin(made) as connection:
        connection.execute(delete(outbox))
    yield made
    made.dispose()


POSTGRES_ONLY = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


def test_a_claimed_row_is_nobody_elses(engine: Engine) -> None:
    keyed(engine, "-1", "a1")
    assert anything_due(engine)
    assert named(claim(engine, "one")) == ["-1", "a1"]
    assert not anything_due(engine)
    assert claim(engine, "other") == []


def test_one_relay_holds_a_key_at_a_time(engine: Engine) -> None:
    keyed(engine, "a1")
    held = claim(engine, "one")
    keyed(engine, "a2", "b1", "-1")
    assert named(claim(engine, "other")) == ["b1", "-1"]
    record(engine, "one", held, "a1")
    assert named(claim(engine, "other")) == ["a2"]


def test_a_claim_is_the_beginning_of_its_keys(engine: Engine) -> None:
    keyed(engine, "a1", "b1", "a2", "b2", "-1", "a3")
    assert named(claim(engine, "one", 4)) == ["a1", "b1", "a2", "b2"]
    assert named(claim(engine, "other")) == ["-1"]


def test_a_refused_row_stops_its_key_only(engine: Engine) -> None:
    keyed(engine, "a1", "a2", "b1", "-1")
    rows = claim(engine, "one")
    record(engine, "one", rows, "b1", refused=["a1", "-1"])
    keyed(engine, "a3", "b2", "-2")
    assert named(claim(engine, "other")) == ["b2", "-2"]
    refused = row_of(engine, "a1")
    assert (refused.attempts, refused.error, refused.held_by) == (1, "no room", None)
    shift(engine, -1.5, "due_at")
    assert named(claim(engine, "other")) == ["a1", "a2", "-1", "a3"]


def test_a_refused_row_waits_longer_and_longer(engine: Engine) -> None:
    keyed(engine, "a1")
    waits = []
    for number in range(8):
        rows = claim(engine, f"claim {number}")
        record(engine, f"claim {number}", rows, refused=["a1"])
        with reading(engine) as connection:
            waits.append(connection.execute(select(outbox.c.due_at - store_now())).scalar_one())
        shift(engine, -LONGEST_WAIT_SECONDS - 1, "due_at")
    assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_what_is_given_back_is_due_at_once_and_in_its_place(engine: Engine) -> None:
    keyed(engine, "a1", "-1")
    before = row_of(engine, "a1").due_at
    record(engine, "one", claim(engine, "one"))
    keyed(engine, "a2")
    again = row_of(engine, "a1")
    assert (again.due_at, again.attempts, again.held_until) == (before, 0, None)
    assert named(claim(engine, "other")) == ["a1", "-1", "a2"]


def test_the_rows_of_a_killed_relay_are_free_after_its_lease(engine: Engine) -> None:
    keyed(engine, "a1", "-1")
    claim(engine, "killed")
    shift(engine, -(LEASE - 1), "held_until")
    assert claim(engine, "next") == []
    shift(engine, -1, "held_until")
    assert named(claim(engine, "next")) == ["a1", "-1"]


def test_one_that_was_thought_dead_records_nothing_on_its_successors_rows(engine: Engine) -> None:
    keyed(engine, "a1", "a2", "a3", "-1")
    late = claim(engine, "late")
    shift(engine, -LEASE, "held_until")
    claim(engine, "next")
    record(engine, "late", late, "a1", "-1", refused=["a2"])
    found = [row_of(engine, name) for name in ("a1", "a2", "a3", "-1")]
    assert [(row.held_by, row.published_at, row.attempts, row.error) for row in found] == [("next", None, 0, None)] * 4
    assert claim(engine, "third") == []


def test_a_late_record_counts_if_nobody_has_taken_the_rows(engine: Engine) -> None:
    keyed(engine, "a1")
    late = claim(engine, "late")
    shift(engine, -LEASE, "held_until")
    record(engine, "late", late, "a1")
    assert row_of(engine, "a1").published_at is not None


def test_rows_behind_a_waiting_head_are_out_of_sight_and_come_back_with_it(engine: Engine) -> None:
    many = [f"a{number}" for number in range(WINDOW + 10)]
    keyed(engine, *many)
    first = turn(engine, "one", None, 1)
    assert (named(first.rows), first.more) == (["a0"], True)
    keyed(engine, "b1")
    assert named(claim(engine, "two")) == ["b1"]
    assert not anything_due(engine)
    record(engine, "one", first.rows, many[0])
    assert named(claim(engine, "two")) == many[1 : 1 + CHAIN]


def test_what_is_behind_a_head_that_somebody_deleted_comes_back_by_itself(engine: Engine) -> None:
    keyed(engine, "a1", "a2")
    record(engine, "one", claim(engine, "one", 1), refused=["a1"])
    claim(engine, "two")
    with begin(engine) as connection:
        connection.execute(delete(outbox).where(outbox.c.event_id == "a1"))
    assert claim(engine, "three") == []
    shift(engine, -LONGEST_ASIDE_SECONDS, "due_at")
    assert named(claim(engine, "four")) == ["a2"]


def test_a_head_is_never_put_aside(engine: Engine) -> None:
    """Its pause may end between the statements of a turn, and nobody would bring it back."""
    keyed(engine, "a1", "a2", "b1")
    with begin(engine) as connection:
        set_aside(connection, {"a": row_of(engine, "a1").id})
    assert named(claim(engine, "one", 1)) == ["a1"]
    assert row_of(engine, "a2").due_at > row_of(engine, "a1").due_at + LEASE - 1
    assert row_of(engine, "b1").due_at < row_of(engine, "a1").due_at + 1


def test_a_key_behind_a_refused_head_is_not_woken(engine: Engine) -> None:
    keyed(engine, "a1", "a2", "a3")
    rows = claim(engine, "one")
    record(engine, "one", rows, "a1", refused=["a2"])
    claim(engine, "two")
    assert not anything_due(engine)
    shift(engine, -1.5, "due_at")
    assert named(claim(engine, "two")) == ["a2", "a3"]


def test_a_whole_outbox_of_many_keys_is_published_once_and_in_order(engine: Engine) -> None:
    """Three relays take turns; some rounds refuse or send nothing."""
    names = [f"{'abcdefgh-'[number % 9]}{number}" for number in range(300)]
    keyed(engine, *names)
    order: list[str] = []
    for number in range(200):
        rows = claim(engine, f"claim {number}", 1 + number % 40)
        done = [] if number % 5 == 1 else named(rows)
        order += done
        record(engine, f"claim {number}", rows, *done)
        if len(order) == len(names):
            break
    assert sorted(order) == sorted(names)
    for key in "abcdefgh":
        assert [name for name in order if name[0] == key] == [name for name in names if name[0] == key]


def test_relays_at_the_same_time_get_different_rows(engine: Engine, store: str) -> None:
    keyed(engine, *(f"{'abcd-'[number % 5]}{number}" for number in range(400)))
    start = threading.Barrier(4)

    def relay(number: int) -> list[str]:
        own = relay_engine(store)
        start.wait()
        got = [name for turn_ in range(8) for name in named(claim(own, f"{number}:{turn_}", 30))]
        own.dispose()
        return got

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(relay, range(4)))
    every = [name for names in taken for name in names]
    assert len(every) == len(set(every)) >= 80
    for names in taken:  # one relay has a key, all the others have nothing of it
        for key in {name[0] for name in names} - {"-"}:
            assert not any(name[0] == key for other in taken if other is not names for name in other)


def test_a_lease_from_before_the_clock_was_set_back_is_not_believed(engine: Engine) -> None:
    keyed(engine, "a1")
    claim(engine, "one")
    shift(engine, 3600, "held_until")
    assert named(claim(engine, "two")) == ["a1"]


def test_rows_from_before_the_clock_was_set_back_are_found(engine: Engine) -> None:
    keyed(engine, "a1", "-1")
    shift(engine, LONGEST_ASIDE_SECONDS + 60, "due_at", "created_at")
    assert not anything_due(engine)
    heal(engine)
    assert named(claim(engine, "one")) == ["a1", "-1"]


def test_healing_leaves_what_waits_for_good_reason(engine: Engine) -> None:
    keyed(engine, "a1")
    record(engine, "one", claim(engine, "one"), refused=["a1"])
    shift(engine, LONGEST_WAIT_SECONDS, "due_at")
    heal(engine)
    assert claim(engine, "two") == []


@POSTGRES_ONLY
def test_a_row_that_somebody_has_locked_keeps_back_its_key_only(engine: Engine, store: str) -> None:
    keyed(engine, "a1", "a2", "a3", "b1", "-1", "-2")
    hand = connect(store)
    with begin(hand) as connection:
        connection.execute(select(outbox).where(outbox.c.event_id.in_(["a2", "-1"])).with_for_update())
        rows = claim(engine, "one")
        assert named(rows) == ["a1", "b1", "-2"]
        record(engine, "one", rows, "a1", "b1", "-2")
        assert claim(engine, "two") == []
    hand.dispose()
    assert named(claim(engine, "two")) == ["a2", "a3", "-1"]


@POSTGRES_ONLY
def test_a_row_that_is_locked_after_its_claim_holds_up_no_record(engine: Engine, store: str) -> None:
    keyed(engine, "a1", "-1")
    rows = claim(engine, "one")
    hand = connect(store)
    with begin(hand) as connection:
        connection.execute(select(outbox).where(outbox.c.event_id == "a1").with_for_update())
        record(engine, "one", rows, "a1", "-1")
    hand.dispose()
    assert [row_of(engine, name).published_at is None for name in ("a1", "-1")] == [True, False]


@POSTGRES_ONLY
def test_a_relay_that_is_stopped_in_its_turn_loses_it(engine: Engine, store: str) -> None:
    keyed(engine, "-1")
    stopped = relay_engine(store)
    with reading(stopped) as connection:
        limit = connection.execute(text("show idle_in_transaction_session_timeout")).scalar_one()
        longest = connection.execute(text("show statement_timeout")).scalar_one()
    stopped.dispose()
    assert (limit, longest) == ("3s", "10s")
    assert STORE_SECONDS < 3
