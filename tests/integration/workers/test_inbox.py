"""The inbox's contract, on each store: one winner, fencing, expiry, conflicts, generations."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from millrace.envelope import Envelope
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, select, update

from workers import inbox, verdicts
from workers.database import begin, connect
from workers.migrate import migrate
from workers.tables import inbox as table
from workers.verdicts import Busy, Claim, Conflict, Duplicate, Exhausted, Fenced, Request

EVENT = Envelope(id="1", source="/s", type="order.placed")
REQUEST = Request(
    group="g", envelope=EVENT, fingerprint="f", generation=0, owner="me", lease_seconds=30, max_attempts=3
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A fresh store with all tables."""
    migrate(database_url)
    made = connect(database_url)
    yield made
    made.dispose()


def claim(engine: Engine, **changes: object) -> verdicts.Verdict:
    """Claim in a transaction of its own."""
    with begin(engine) as connection:
        return inbox.claim(connection, replace(REQUEST, **changes))  # type: ignore[arg-type]


def claimed(engine: Engine, **changes: object) -> Claim:
    """A claim that must be granted."""
    verdict = claim(engine, **changes)
    assert isinstance(verdict, Claim), verdict
    return verdict


def settle(engine: Engine, act: Callable[..., None], held: Claim, *args: object, **more: object) -> None:
    """Settle in a transaction of its own."""
    with begin(engine) as connection:
        act(connection, held, *args, **more)


def expire(engine: Engine) -> None:
    """Let whatever is due later be due now."""
    with begin(engine) as connection:
        connection.execute(update(table).values(due_at=store_now() - 10))


def test_first_claim_runs_and_is_recorded(engine: Engine) -> None:
    """The first delivery gets attempt 1; its outcome is final."""
    held = claimed(engine)
    assert (held.attempt, held.fence) == (1, 1)
    settle(engine, inbox.complete, held, verdicts.PROCESSED, milliseconds=1.5)
    assert claim(engine) == Duplicate(verdicts.PROCESSED)
    assert claim(engine, generation=5) == Duplicate(verdicts.PROCESSED)


def test_scope_is_group_source_and_id(engine: Engine) -> None:
    """Another group, source or id is another event."""
    claimed(engine)
    claimed(engine, group="other")
    claimed(engine, envelope=EVENT.model_copy(update={"source": "/t"}))
    claimed(engine, envelope=EVENT.model_copy(update={"id": "2"}))


def test_busy_while_the_lease_runs(engine: Engine) -> None:
    """A second delivery is told how long the lease still runs, by the store's clock."""
    claimed(engine)
    verdict = claim(engine)
    assert isinstance(verdict, Busy)
    assert 25 < verdict.seconds <= 30


def test_expired_lease_is_taken_over_and_the_old_holder_is_fenced(engine: Engine) -> None:
    """A stale holder can neither complete nor postpone nor begin an external call."""
    stale = claimed(engine)
    expire(engine)
    new = claimed(engine)
    assert (new.attempt, new.fence) == (2, 2)
    for act, values in (
        (inbox.complete, {"state": verdicts.PROCESSED, "milliseconds": 1.0}),
        (inbox.postpone, {"seconds": 1.0, "error": "x"}),
        (inbox.require_held, {}),
    ):
        with pytest.raises(Fenced):
            settle(engine, act, stale, **values)
    settle(engine, inbox.complete, new, verdicts.PROCESSED, milliseconds=1.0)
    with pytest.raises(Fenced):
        settle(engine, inbox.complete, new, verdicts.PROCESSED, milliseconds=1.0)


def test_postponed_event_is_busy_until_it_is_due(engine: Engine) -> None:
    """A copy that comes early waits; the due one is the next attempt."""
    settle(engine, inbox.postpone, claimed(engine), seconds=20.0, error="no luck")
    verdict = claim(engine)
    assert isinstance(verdict, Busy)
    assert 15 < verdict.seconds <= 20
    expire(engine)
    assert claimed(engine).attempt == 2


def test_attempts_end(engine: Engine) -> None:
    """After the last attempt there is only the record of the end, with the last error."""
    for attempt in (1, 2, 3):
        held = claimed(engine)
        assert held.attempt == attempt
        settle(engine, inbox.postpone, held, seconds=1.0, error="still broken")
        expire(engine)
    verdict = claim(engine)
    assert isinstance(verdict, Exhausted)
    assert verdict.error == "still broken"
    settle(engine, inbox.complete, verdict.held, verdicts.DEAD_LETTERED, milliseconds=0.0)
    assert claim(engine) == Duplicate(verdicts.DEAD_LETTERED)


def test_conflict(engine: Engine) -> None:
    """The same key with another payload is never run, whatever the state."""
    held = claimed(engine)
    assert claim(engine, fingerprint="other") == Conflict()
    settle(engine, inbox.complete, held, verdicts.PROCESSED, milliseconds=1.0)
    assert claim(engine, fingerprint="other") == Conflict()


def test_higher_generation_reopens_a_dead_letter(engine: Engine) -> None:
    """A replay starts its attempts anew; its own duplicates and older ones are absorbed."""
    settle(engine, inbox.complete, claimed(engine), verdicts.DEAD_LETTERED, milliseconds=1.0)
    again = claimed(engine, generation=1)
    assert (again.attempt, again.fence) == (1, 2)
    settle(engine, inbox.complete, again, verdicts.DEAD_LETTERED, milliseconds=1.0)
    assert claim(engine, generation=1) == Duplicate(verdicts.DEAD_LETTERED)
    assert claim(engine, generation=0) == Duplicate(verdicts.DEAD_LETTERED)
    claimed(engine, generation=2)


def test_replay_of_an_event_that_was_never_recorded_as_dead_runs_anew(engine: Engine) -> None:
    """A letter may be there without the record (the broker's own dead letters): its replay is not at its end."""
    for _ in range(3):
        settle(engine, inbox.postpone, claimed(engine), seconds=1.0, error="broken")
        expire(engine)
    again = claimed(engine, generation=1)
    assert again.attempt == 1


def test_one_winner_of_many(engine: Engine) -> None:
    """Of eight that claim at once, one runs."""
    made: list[verdicts.Verdict] = []
    start = threading.Barrier(8)

    def race() -> None:
        start.wait()
        made.append(claim(engine))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(verdict, Claim) for verdict in made) == 1
    assert sum(isinstance(verdict, Busy) for verdict in made) == 7


def test_outcome_and_effects_roll_back_together(engine: Engine) -> None:
    """What fails after the outcome was written leaves no outcome."""
    held = claimed(engine)

    def fail_after_the_outcome() -> None:
        with begin(engine) as connection:
            inbox.complete(connection, held, verdicts.PROCESSED, milliseconds=1.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_the_outcome()
    with begin(engine) as connection:
        assert connection.execute(select(table.c.state)).scalar_one() == verdicts.RUNNING
