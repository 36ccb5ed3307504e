"""Relays that claim, send and record at any time, late and twice, or not at all: what always holds.

Nothing is published that was not written, no key's order breaks at the broker, and in the end everything is there.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from millrace.derived import RELAY_LEASE_SECONDS
from millrace.errors import BrokerUnreachable, PublishError, Refused
from millrace.publishing.message import Message
from sqlalchemy import Engine, Row, delete, event, select

from tests.integration.workers.outbox_rows import placed, shift, write
from workers.database import begin, connect, reading
from workers.migrate import migrate
from workers.relay_records import Settled
from workers.relay_sending import send_rows
from workers.relay_turns import turn
from workers.tables import outbox

#: What the broker makes of a message: it has it, or not, and tells so, or not.
ANSWERS: dict[str, tuple[bool, PublishError | None]] = {
    "ok": (True, None),
    "full": (False, Refused("full")),
    "lost": (False, BrokerUnreachable("gone")),
    "unheard": (True, BrokerUnreachable("gone")),
}
PATIENCE = RELAY_LEASE_SECONDS + 400


@dataclass
class Flight:
    """One claim on its way: claimed, perhaps sent, perhaps too late."""

    name: str
    rows: list[Row[Any]]
    settled: Settled | None = None
    expired: bool = False


@dataclass
class Broker:
    """Keeps what reaches it."""

    log: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def send(self, messages: list[Message]) -> list[PublishError | None]:
        """Answer as drawn, and well when nothing is left to draw."""
        return [self._take(message) for message in messages]

    def _take(self, message: Message) -> PublishError | None:
        arrives, error = ANSWERS[self.answers.pop() if self.answers else "ok"]
        if arrives:
            self.log.append(message.message_id)
        return error


def store(directory: Path) -> Engine:
    """A store for all runs; without its usual care for a loss of power, which costs most of the time."""
    url = f"sqlite:///{directory / 'millrace.db'}"
    migrate(url)
    engine = connect(url)
    event.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF").close())
    return engine


class Relays(RuleBasedStateMachine):
    """The rules are what relays, services, the broker and time do."""

    engine: Engine

    @initialize()
    def start(self) -> None:
        """An empty outbox, before an empty broker."""
        with begin(self.engine) as connection:
            connection.execute(delete(outbox))
        self.broker = Broker()
        self.flights: list[Flight] = []
        self.written: list[tuple[str, str | None]] = []
        self.claims = 0

    @rule(keys=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=6))
    def write(self, keys: list[str | None]) -> None:
        """A service commits events."""
        names = [f"{len(self.written) + number}" for number in range(len(keys))]
        write(self.engine, *(placed(name, key) for name, key in zip(names, keys, strict=True)))
        self.written += zip(names, keys, strict=True)

    @rule(limit=st.integers(1, 8))
    def claim(self, limit: int) -> None:
        """A relay claims what it can get."""
        self.claims += 1
        name = f"claim {self.claims}"
        rows = list(turn(self.engine, name, None, limit).rows)
        for flight in (flight for flight in self.flights if not flight.expired):
            assert not {row.id for row in rows} & {row.id for row in flight.rows}
            assert not {row.partition_key for row in rows} & {row.partition_key for row in flight.rows} - {None}
        if rows:
            self.flights.append(Flight(name, rows))

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), answers=st.lists(st.sampled_from(sorted(ANSWERS)), max_size=8))
    def send(self, data: st.DataObject, answers: list[str]) -> None:
        """A relay sends what it has claimed, however late."""
        flight = data.draw(st.sampled_from(self.flights))
        if flight.settled is None:
            self.broker.answers = answers
            broker: Any = self.broker
            flight.settled = send_rows(broker, flight.name, flight.rows, lambda _what: None, lambda: False)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def record(self, data: st.DataObject) -> None:
        """A relay records what became of its claim, however late; unsent rows are given back."""
        flight = data.draw(st.sampled_from(self.flights))
        settled = flight.settled or Settled(claim=flight.name, rows={row.id: row for row in flight.rows})
        turn(self.engine, "", settled, 0)
        self.flights.remove(flight)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """A relay is killed: its claim stays until its lease ends."""
        self.flights.remove(data.draw(st.sampled_from(self.flights)))

    @rule()
    def time_passes(self) -> None:
        """Leases and pauses end; those who held a claim know nothing of it."""
        shift(self.engine, -PATIENCE, "held_until", "due_at")
        for flight in self.flights:
            flight.expired = True

    @invariant()
    def order_holds(self) -> None:
        """The first copies of each key's events are in the order in which they were written, with no gap."""
        first_copies = dict.fromkeys(self.broker.log)
        for key in "abc":
            written = [name for name, its in self.written if its == key]
            came = [name for name in first_copies if (name, key) in self.written]
            assert came == written[: len(came)]

    @invariant()
    def published_means_arrived(self) -> None:
        """A row is marked only if its message has reached the broker."""
        with reading(self.engine) as connection:
            marked = connection.execute(select(outbox.c.event_id).where(outbox.c.published_at.is_not(None))).scalars()
            assert set(marked) <= set(self.broker.log)

    def teardown(self) -> None:
        """Whatever was going on: relays that work well publish everything."""
        self.broker.answers = []
        for number in range(100):
            shift(self.engine, -PATIENCE, "held_until", "due_at")
            rows = turn(self.engine, f"last {number}", None, 200).rows
            if not rows:
                break
            broker: Any = self.broker
            settled = send_rows(broker, f"last {number}", rows, lambda _what: None, lambda: False)
            turn(self.engine, "", settled, 0)
        assert set(self.broker.log) == {name for name, _ in self.written}
        self.order_holds()


def test_what_always_holds(tmp_path: Path) -> None:
    Relays.engine = store(tmp_path)
    try:
        quick = settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        )
        run_state_machine_as_test(Relays, settings=quick)
    finally:
        Relays.engine.dispose()
