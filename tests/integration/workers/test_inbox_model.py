"""Deliveries that claim, complete, fail, come late, twice, replayed and tampered with: what always holds of the inbox.

One completion per event, one effect, no more attempts than allowed, and in the end every event has its outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from millrace.envelope import Envelope
from sqlalchemy import Column, Engine, MetaData, String, Table, delete, func, insert, select, update

from workers import inbox, tables, verdicts
from workers.database import begin, connect, reading
from workers.stores.sql import DatabaseStore
from workers.stores.store import Outcome
from workers.verdicts import Busy, Claim, Conflict, Duplicate, Exhausted, Fenced, Recorded, Request, Verdict

ATTEMPTS = 3
LONG = 10_000.0
EVENTS = ("a", "b")
effects = Table("model_effects", MetaData(), Column("event_id", String(20), nullable=False))


@dataclass
class Known:
    """What the model knows of an event: words, no times."""

    fingerprint: str
    generation: int
    state: str = "running"
    attempts: int = 1
    holder: int = 1
    due: bool = False
    completions: int = 0


@dataclass(eq=False)
class Flight:
    """A delivery in a worker's hands, perhaps overtaken; `last` may only be buried."""

    held: Claim
    last: bool


class Deliveries(RuleBasedStateMachine):
    """The rules are what workers, the broker, people who replay, senders who tamper, and time do."""

    engine: Engine

    @initialize()
    def start(self) -> None:
        """An empty inbox, no effects."""
        with begin(self.engine) as connection:
            connection.execute(delete(tables.inbox))
            connection.execute(delete(effects))
        self.stores = [DatabaseStore(self.engine), DatabaseStore(self.engine)]
        self.known: dict[str, Known] = {}
        self.flights: list[Flight] = []

    @rule(
        event=st.sampled_from(EVENTS),
        worker=st.integers(0, 1),
        payload=st.sampled_from(["good", "good", "good", "tampered"]),
        generation=st.sampled_from([0, 0, 0, 1, 2]),
    )
    def deliver(self, event: str, worker: int, payload: str, generation: int) -> None:
        """The broker delivers an event to a worker, for the first time or again, or as a replay."""
        self._deliver(event, worker, payload, generation)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def overtake(self, data: st.DataObject) -> None:
        """A worker stands still for longer than its lease, and the other one gets the event."""
        event = data.draw(st.sampled_from(self.flights)).held.request.envelope.id
        self.time_passes()
        self._deliver(event, 1, self.known[event].fingerprint, self.known[event].generation)

    def _deliver(self, event: str, worker: int, payload: str, generation: int) -> Verdict:
        request = Request(
            group="g",
            envelope=Envelope(id=event, source="/s", type="order.placed"),
            fingerprint=payload,
            generation=generation,
            owner=f"worker {worker}",
            lease_seconds=60.0,
            max_attempts=ATTEMPTS,
        )
        verdict = self.stores[worker].claim(request)
        self._compare(verdict, event, request)
        if isinstance(verdict, Claim | Exhausted):
            held = verdict if isinstance(verdict, Claim) else verdict.held
            self.flights.append(Flight(held, last=isinstance(verdict, Exhausted)))
        return verdict

    def _compare(self, verdict: Verdict, event: str, request: Request) -> None:
        """Is the verdict what the model says, in the order in which it asks?"""
        known = self.known.get(event)
        if known is None:
            assert verdict == Claim(request=request, attempt=1, fence=1)
            self.known[event] = Known(request.fingerprint, request.generation)
        elif known.fingerprint != request.fingerprint:
            assert verdict == Conflict()
        elif known.state in ("processed", "discarded"):
            assert verdict == Duplicate(known.state)
        elif known.state == "dead-lettered" and request.generation <= known.generation:
            assert verdict == Duplicate("dead-lettered")
        elif known.state != "dead-lettered" and not known.due:
            assert isinstance(verdict, Busy)
            assert 0 < verdict.seconds <= 60
        else:
            self._held_now(verdict, known, request)

    def _held_now(self, verdict: Verdict, known: Known, request: Request) -> None:
        ended = request.generation <= known.generation and known.attempts == ATTEMPTS
        held = verdict.held if isinstance(verdict, Exhausted) else verdict
        assert isinstance(verdict, Exhausted) == ended
        assert isinstance(held, Claim)
        if request.generation > known.generation:
            known.attempts, known.generation = 1, request.generation
        elif not ended:
            known.attempts += 1
        known.holder, known.state, known.due = known.holder + 1, "running", False
        assert (held.attempt, held.fence) == (known.attempts, known.holder)

    def _is_latest(self, flight: Flight) -> bool:
        known = self.known[flight.held.request.envelope.id]
        return known.state == "running" and known.holder == flight.held.fence

    def _act(self, flight: Flight, act: Callable[[DatabaseStore, Claim], object], **then: Any) -> None:
        """The latest holder succeeds, any other is told that it was overtaken; `then` is what the model learns."""
        latest = self._is_latest(flight)
        try:
            act(self.stores[0], flight.held)
        except Fenced:
            assert not latest
        else:
            assert latest
            vars(self.known[flight.held.request.envelope.id]).update(then)

    @precondition(lambda self: any(not flight.last for flight in self.flights))
    @rule(data=st.data(), state=st.sampled_from(["processed", "processed", "discarded"]))
    def complete(self, data: st.DataObject, state: str) -> None:
        """A handler is done, however late: its effect and the outcome commit together."""
        flight = data.draw(st.sampled_from([each for each in self.flights if not each.last]))
        event = flight.held.request.envelope.id

        def commit(store: DatabaseStore, held: Claim) -> None:
            with store.completing(held, Outcome(state=state, milliseconds=1.0)) as connection:
                connection.execute(insert(effects).values(event_id=event))

        self._act(flight, commit, state=state, completions=self.known[event].completions + 1)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def bury(self, data: st.DataObject) -> None:
        """A handler has failed for good, or no attempt was left."""
        outcome = Outcome(state="dead-lettered", milliseconds=1.0, error="broken")
        flight = data.draw(st.sampled_from(self.flights))
        self._act(flight, lambda store, held: store.complete(held, outcome), state="dead-lettered")

    @precondition(lambda self: any(not flight.last for flight in self.flights))
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """A handler has failed: the next attempt is due later."""
        flight = data.draw(st.sampled_from([each for each in self.flights if not each.last]))
        self._act(flight, lambda store, held: store.postpone(held, seconds=30, error="x"), state="retrying", due=False)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def end_the_attempts(self, data: st.DataObject) -> None:
        """A holder forbids further attempts, before it buries the event, or dies."""
        flight = data.draw(st.sampled_from(self.flights))
        self._act(flight, lambda store, held: store.exhaust(held, error="x"), attempts=ATTEMPTS)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """A worker is killed: its claim stays until its lease ends."""
        self.flights.remove(data.draw(st.sampled_from(self.flights)))

    @rule()
    def time_passes(self) -> None:
        """Leases end and retries are due; those who hold a claim know nothing of it."""
        with begin(self.engine) as connection:
            connection.execute(update(tables.inbox).values(due_at=tables.inbox.c.due_at - LONG))
        for known in self.known.values():
            known.due = True

    @invariant()
    def one_outcome_one_effect(self) -> None:
        """An effect for each completion, and never two of an event."""
        count = select(effects.c.event_id, func.count().label("number")).group_by(effects.c.event_id)
        with reading(self.engine) as connection:
            found = {row.event_id: row.number for row in connection.execute(count)}
        assert found == {event: known.completions for event, known in self.known.items() if known.completions}
        assert all(number == 1 for number in found.values())

    @invariant()
    def the_record_is_the_models(self) -> None:
        """State, attempts, generation and fence of each event."""
        for event, known in self.known.items():
            row = self.stores[1].look("g", "/s", event)
            assert row is not None
            assert (row.state, row.attempts, row.generation, row.fence) == (
                known.state,
                known.attempts,
                known.generation,
                known.holder,
            )
            assert row.attempts <= ATTEMPTS

    def teardown(self) -> None:
        """Whoever died and however often it fails: every event comes to its end."""
        for event, known in getattr(self, "known", {}).items():
            for _ in range(ATTEMPTS + 1):
                self.time_passes()
                self.flights.clear()
                verdict = self._deliver(event, 0, known.fingerprint, 0)
                if isinstance(verdict, Exhausted):
                    self.stores[0].complete(verdict.held, Outcome(state="dead-lettered", milliseconds=1.0))
                    known.state = "dead-lettered"
            assert known.state in ("processed", "discarded", "dead-lettered")
        if hasattr(self, "known"):
            self.the_record_is_the_models()


def check(engine: Engine, runs: int, **more: Any) -> None:
    """Draw so many runs of deliveries."""
    tables.metadata.create_all(engine)
    effects.metadata.create_all(engine)
    Deliveries.engine = engine
    wanted = settings(max_examples=runs, stateful_step_count=30, suppress_health_check=list(HealthCheck), **more)
    try:
        run_state_machine_as_test(Deliveries, settings=settings(wanted, deadline=None))
    finally:
        engine.dispose()


def test_what_always_holds_in_memory() -> None:
    check(connect("sqlite://"), settings().max_examples // 4)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_always_holds_on_postgresql(database_url: str) -> None:
    check(connect(database_url), settings().max_examples // 10)


_decide, _key = verdicts.decide, inbox._key


def _changed_row(**changes: object) -> Callable[[Recorded, Request], Verdict]:
    return lambda row, request: _decide(replace(row, **changes), request)  # type: ignore[arg-type]


#: Each guard of the inbox, and how it is broken.
BROKEN: dict[str, tuple[str, Callable[..., object]]] = {
    "fence": ("_mine", lambda held: _key(held.request) & (tables.inbox.c.state == verdicts.RUNNING)),
    "state": ("_mine", lambda held: _key(held.request) & (tables.inbox.c.fence == held.fence)),
    "lease": ("decide", _changed_row(wait=0.0)),
    "outcome": ("decide", _changed_row(state=verdicts.RETRYING)),
    "fingerprint": ("decide", lambda row, request: _decide(replace(row, fingerprint=request.fingerprint), request)),
    "attempts": ("decide", lambda row, request: _decide(row, replace(request, max_attempts=100))),
    "generation": ("decide", lambda row, request: _decide(row, replace(request, generation=0))),
}


@pytest.mark.parametrize("guard", BROKEN)
def test_the_model_finds_a_guard_that_is_broken(guard: str) -> None:
    name, broken = BROKEN[guard]
    with mock.patch.object(inbox, name, broken), pytest.raises(AssertionError):
        check(connect("sqlite://"), 300, phases=[Phase.generate], derandomize=True)
