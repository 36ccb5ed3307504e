"""The contract of a store: what each must do at its level; a check fails with an AssertionError."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from unittest import mock

import pytest
from sqlalchemy import func, insert, select

from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stores.bench import BURIED, DONE_WELL, LEASE, Bench, claimed
from workers import verdicts
from workers.stores.level import Level
from workers.stores.store import DONE, INTENDED, Call, InboxStore
from workers.verdicts import Busy, Claim, Conflict, Duplicate, Exhausted, Fenced, Verdict

CLAIMANTS = 16


def state_of(store: InboxStore, held: Claim) -> str:
    """What is on record of a claim's event."""
    request = held.request
    found = store.look(request.group, request.envelope.source, request.envelope.id)
    assert found is not None
    return found.state


def outcome_is_final(bench: Bench) -> None:
    """One delivery runs; when it is done, every other one is absorbed, replays too."""
    store, other = bench.open(), bench.open()
    held = claimed(store.claim(bench.request()))
    assert (held.attempt, held.fence) == (1, 1)
    store.require_held(held)
    store.complete(held, DONE_WELL)
    assert other.claim(bench.again(held)) == Duplicate(verdicts.PROCESSED)
    assert other.claim(bench.again(held, generation=5)) == Duplicate(verdicts.PROCESSED)
    with pytest.raises(Fenced):
        store.complete(held, BURIED)
    assert state_of(other, held) == verdicts.PROCESSED


def scope_is_group_source_and_id(bench: Bench) -> None:
    """Another group, source or id is another event."""
    store = bench.open()
    first = bench.request()
    others = (
        bench.request(first.envelope.id, group=f"{bench.group}-other"),
        bench.request(envelope=first.envelope.model_copy(update={"source": "/t"})),
        bench.request(),
    )
    for request in (first, *others):
        claimed(store.claim(request))


def second_delivery_waits(bench: Bench) -> None:
    """While a lease runs, another delivery is told how long, by the store's time."""
    held = claimed(bench.open().claim(bench.request()))
    verdict = bench.open().claim(bench.again(held))
    assert isinstance(verdict, Busy)
    assert LEASE - 10 < verdict.seconds <= LEASE + 2


def stale_holder_can_do_nothing(bench: Bench) -> None:
    """Overtaken, a holder can neither complete nor postpone nor end the attempts nor begin or take back a call."""
    store, other = bench.open(), bench.open()
    stale = claimed(store.claim(bench.request()))
    new = claimed(bench.take_over(other, stale))
    assert (new.attempt, new.fence) == (2, 2)
    for outcome in (None, DONE_WELL):
        if outcome is not None:
            other.complete(new, outcome)
        before = state_of(other, new)
        for act in steps_of(store, stale):
            with pytest.raises(Fenced):
                act()
        assert state_of(other, new) == before
    assert other.claim(bench.again(stale)) == Duplicate(verdicts.PROCESSED)


def steps_of(store: InboxStore, held: Claim) -> list[Callable[[], object]]:
    """All that only the holder may do."""
    return [
        lambda: store.complete(held, DONE_WELL),
        lambda: store.complete(held, BURIED),
        lambda: store.postpone(held, seconds=1, error="x"),
        lambda: store.exhaust(held, error="x"),
        lambda: store.require_held(held),
        lambda: store.intend(held, "pay", "key"),
        lambda: store.withdraw(held, "pay"),
    ]


def retry_is_the_next_attempt(bench: Bench) -> None:
    """A postponed event runs once more when it is due; a copy that comes early waits where the store can tell."""
    store = bench.open()
    held = claimed(store.claim(bench.request()))
    store.postpone(held, seconds=20, error="no luck")
    if store.paced:
        verdict = bench.open().claim(bench.again(held))
        assert isinstance(verdict, Busy)
        assert 10 < verdict.seconds <= 20
        bench.pass_time()
    again = claimed(bench.open().claim(bench.again(held)))
    assert (again.attempt, again.fence) == (2, 2)
    with pytest.raises(Fenced):
        store.complete(held, DONE_WELL)


def attempts_end(bench: Bench) -> None:
    """After the last attempt there is only the record of the end, with the last error."""
    store = bench.open()
    held = claimed(store.claim(bench.request()))
    for attempt in (1, 2, 3):
        assert held.attempt == attempt
        store.postpone(held, seconds=1, error=f"broken {attempt}")
        bench.pass_time()
        verdict = store.claim(bench.again(held))
        if attempt < 3:
            held = claimed(verdict)
    assert isinstance(verdict, Exhausted)
    assert verdict.error == "broken 3"
    store.complete(verdict.held, BURIED)
    assert store.claim(bench.again(held)) == Duplicate(verdicts.DEAD_LETTERED)


def ended_attempts_stay_ended(bench: Bench) -> None:
    """Whoever dies between the end of the attempts and the outcome leaves no attempt to others."""
    store = bench.open()
    held = claimed(store.claim(bench.request()))
    store.exhaust(held, error="permanent")
    verdict = bench.take_over(bench.open(), held)
    assert isinstance(verdict, Exhausted)
    assert verdict.error == "permanent"
    with pytest.raises(Fenced):
        store.complete(held, BURIED)


def other_payload_is_a_conflict(bench: Bench) -> None:
    """The same key with another payload never runs, whatever the state."""
    store = bench.open()
    held = claimed(store.claim(bench.request()))
    tampered = bench.again(held, fingerprint="other", generation=9)
    assert store.claim(tampered) == Conflict()
    store.postpone(held, seconds=1, error="x")
    bench.pass_time()
    assert store.claim(tampered) == Conflict()
    held = claimed(store.claim(bench.again(held)))
    store.complete(held, DONE_WELL)
    assert store.claim(tampered) == Conflict()


def replay_reopens_a_dead_letter(bench: Bench) -> None:
    """A higher generation starts the attempts anew; its own copies and older ones are absorbed."""
    store = bench.open()
    first = claimed(store.claim(bench.request()))
    store.complete(first, BURIED)
    again = claimed(store.claim(bench.again(first, generation=1)))
    assert (again.attempt, again.fence) == (1, 2)
    store.complete(again, BURIED)
    for generation in (0, 1):
        assert store.claim(bench.again(first, generation=generation)) == Duplicate(verdicts.DEAD_LETTERED)
    last = claimed(store.claim(bench.again(first, generation=2)))
    with pytest.raises(Fenced):
        store.complete(again, DONE_WELL)
    store.complete(last, DONE_WELL)


def calls_are_on_record(bench: Bench) -> None:
    """An intent outlives its attempt, an outcome is for all later ones, and what had no effect leaves nothing."""
    store, other = bench.open(), bench.open()
    stale = claimed(store.claim(bench.request()))
    assert store.intend(stale, "pay", "key") is None
    assert store.intend(stale, "mail", "key") is None
    store.withdraw(stale, "mail")
    new = claimed(bench.take_over(other, stale))
    assert other.intend(new, "pay", "key") == Call(state=INTENDED)
    assert other.intend(new, "mail", "key") is None
    store.record_call(stale, "pay", {"receipt": 1})
    assert other.intend(new, "pay", "key") == Call(state=DONE, result={"receipt": 1})


def race(bench: Bench, store_of: list[InboxStore], requests: list[str]) -> list[list[Verdict]]:
    """What sixteen get who claim the same events at the same time, event by event."""
    won: list[list[Verdict]] = [[] for _ in requests]
    start = threading.Barrier(len(store_of), timeout=60)

    def claim_all(store: InboxStore) -> None:
        for event_id, each in zip(requests, won, strict=True):
            start.wait()
            each.append(store.claim(bench.request(event_id)))

    threads = [threading.Thread(target=claim_all, args=(store,)) for store in store_of]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def one_winner_of_many(bench: Bench) -> None:
    """Of sixteen that claim a new event, a due one or one whose lease is over, one runs."""
    stores = [bench.open() for _ in range(4)] * (CLAIMANTS // 4)
    ids = [f"race-{number}" for number in range(bench.keys)]
    for expected in (1, 2, 3):
        won = race(bench, stores, ids)
        for each in won:
            winners = [verdict for verdict in each if isinstance(verdict, Claim)]
            assert [winner.attempt for winner in winners] == [expected]
            assert sum(isinstance(verdict, Busy) for verdict in each) == CLAIMANTS - 1
            if expected == 1:  # the next round is one of retries, the last one of leases
                stores[0].postpone(winners[0], seconds=1, error="x")
        bench.pass_time()


def workers_clock_does_not_matter(bench: Bench) -> None:
    """A worker whose clock is an hour ahead or behind takes nothing too early, and nothing too late."""
    store, other = bench.open(), bench.open()
    real = time.time
    for jump in (3600.0, -3600.0):
        with mock.patch("time.time", lambda jump=jump: real() + jump):
            held = claimed(store.claim(bench.request()))
        assert isinstance(other.claim(bench.again(held)), Busy)
        with mock.patch("time.time", lambda jump=jump: real() - jump):
            verdict = other.claim(bench.again(held))
            assert isinstance(verdict, Busy)
            assert verdict.seconds <= LEASE + 2
            bench.pass_time()
            new = claimed(other.claim(bench.again(held)))
            other.complete(new, DONE_WELL)


def crash_at_each_step(bench: Bench) -> None:
    """Whatever a holder had done when it was killed is on record, and nothing more; another goes on from there."""
    store, was = bench.open(), {}
    for step in ("claimed", "intended", "called", "exhausted", "committing"):
        assert isinstance(store.claim(bench.request(step)), Busy), step
    bench.pass_time()
    for step in ("claimed", "intended", "called", "postponed", "committing"):
        was[step] = claimed(store.claim(bench.request(step)))
        assert was[step].attempt == 2, step
    assert store.intend(was["claimed"], "pay", "key") is None
    assert store.intend(was["intended"], "pay", "key") == Call(state=INTENDED)
    assert store.intend(was["called"], "pay", "key") == Call(state=DONE, result=1)
    assert isinstance(store.claim(bench.request("exhausted")), Exhausted)
    assert store.claim(bench.request("buried")) == Duplicate(verdicts.DEAD_LETTERED)
    assert store.claim(bench.request("completed")) == Duplicate(verdicts.PROCESSED)
    if store.level is Level.TRANSACTIONAL:
        assert effects_of(store, bench) == 0


def record_survives_a_crash_of_the_server(bench: Bench) -> None:
    """What was confirmed is there after the server has crashed and come back."""
    assert bench.crash is not None
    store = bench.open()
    running, done = claimed(store.claim(bench.request())), claimed(store.claim(bench.request()))
    store.complete(done, DONE_WELL)
    bench.crash()
    store = bench.open()
    assert store.claim(bench.again(done)) == Duplicate(verdicts.PROCESSED)
    assert isinstance(store.claim(bench.again(running)), Busy)
    store.complete(running, DONE_WELL)


def effects_and_outcome_commit_together(bench: Bench) -> None:
    """What fails leaves neither effect nor outcome; what a stale holder did leaves no effect."""
    store = bench.open()
    assert hasattr(store, "completing")
    held = claimed(store.claim(bench.request()))
    with pytest.raises(ZeroDivisionError):
        fail_after_an_effect(store, held, bench)
    assert (effects_of(store, bench), state_of(store, held)) == (0, verdicts.RUNNING)
    new = claimed(bench.take_over(bench.open(), held))
    with pytest.raises(Fenced), store.completing(held, DONE_WELL) as connection:
        connection.execute(insert(effects).values(who=bench.group, order_id="1"))
    assert (effects_of(store, bench), state_of(store, held)) == (0, verdicts.RUNNING)
    with store.completing(new, DONE_WELL) as connection:
        connection.execute(insert(effects).values(who=bench.group, order_id="1"))
    assert (effects_of(store, bench), state_of(store, held)) == (1, verdicts.PROCESSED)


def fail_after_an_effect(store: InboxStore, held: Claim, bench: Bench) -> None:
    """An effect whose transaction does not come to its end."""
    with store.completing(held, DONE_WELL) as connection:  # type: ignore[attr-defined]
        connection.execute(insert(effects).values(who=bench.group, order_id="1"))
        raise ZeroDivisionError


def effects_of(store: InboxStore, bench: Bench) -> int:
    """How many effects the check has had, as another transaction sees them."""
    assert hasattr(store, "completing")
    probe = claimed(store.claim(bench.request()))
    query = select(func.count()).where(effects.c.who == bench.group)
    with store.completing(probe, DONE_WELL) as connection:
        return int(connection.execute(query).scalar_one())


#: What every store must do.
CHECKS: tuple[Callable[[Bench], None], ...] = (
    outcome_is_final,
    scope_is_group_source_and_id,
    second_delivery_waits,
    stale_holder_can_do_nothing,
    retry_is_the_next_attempt,
    attempts_end,
    ended_attempts_stay_ended,
    other_payload_is_a_conflict,
    replay_reopens_a_dead_letter,
    calls_are_on_record,
    one_winner_of_many,
    workers_clock_does_not_matter,
)
