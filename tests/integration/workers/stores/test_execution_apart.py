"""The life of a delivery whose effects lie outside the store of its inbox, cut at every step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pytest
from millrace import names, seal
from millrace.declarations import seconds
from millrace.errors import Discard, Permanent
from sqlalchemy import insert, select

from tests.integration.workers.sample_catalog import CATALOG, OrderPlaced, OrderShipped
from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stack import Stack
from tests.integration.workers.stores.bench import Bench
from workers import verdicts
from workers.database import reading
from workers.execution import Execution, GiveBack
from workers.handling import Handler
from workers.received import Received
from workers.runtime import Runtime
from workers.settings import Settings
from workers.stores.level import Level
from workers.stores.settlement import Apart
from workers.stores.store import InboxStore, StoreUnavailable
from workers.tables import inbox as table
from workers.tables import outbox
from workers.work import UnitOfWork

pytestmark = [
    pytest.mark.long,
    pytest.mark.parametrize("store_url", ["lease", "dynamodb", "redis"], indirect=True, scope="module"),
]

Function = Callable[[OrderPlaced, UnitOfWork], None]


class Killed(BaseException):
    """The process ends here: nothing of ours runs any more."""


@dataclass(frozen=True)
class OneProcess(Runtime):
    """What one worker process has, with one handler and the bench's store."""

    bench: Bench
    function: Function
    may_repeat: bool = False
    runs: list[int] = field(default_factory=list)

    @cached_property
    def inbox(self) -> InboxStore:
        """The bench's."""
        return self.bench.open()

    @property
    def handlers(self) -> dict[str, Handler[Any]]:
        """The one handler; counts its runs."""

        def counted(event: OrderPlaced, work: UnitOfWork) -> None:
            self.runs.append(work.attempt)
            self.function(event, work)

        made = Handler(OrderPlaced, counted, Level.BEST_EFFORT, external_may_repeat=self.may_repeat)
        return {"order.placed": made}

    def deliver(self, id_: str) -> str:
        """Deliver an event; gives the outcome of the delivery."""
        payload = OrderPlaced(order_id=id_)
        received = Received(envelope=seal(payload, source="/x", id=id_), payload=payload)
        return Execution(self, received).run().outcome

    def copied(self, id_: str) -> str | None:
        """The outcome that the database has, for people."""
        with reading(self.engine) as connection:
            state: str | None = connection.execute(select(table.c.state).where(table.c.event_id == id_)).scalar()
        return state

    def sent(self, exchange: str, id_: str) -> list[Any]:
        """What the outbox has for an exchange that is about an order."""
        with reading(self.engine) as connection:
            found = connection.execute(select(outbox).where(outbox.c.exchange == exchange)).all()
        return [row for row in found if json.loads(row.body)["data"]["order_id"] == id_]


def ship(event: OrderPlaced, work: UnitOfWork) -> None:
    """A handler that publishes."""
    work.publish(OrderShipped(order_id=event.order_id))


Make = Callable[..., OneProcess]


@pytest.fixture
def process(stack: Stack, module_bench: Bench) -> Iterator[Make]:
    """Makes a worker process of the ledger group, as it were."""
    made: list[OneProcess] = []

    def make(function: Function = ship, **more: Any) -> OneProcess:
        url = more.pop("broker_url", stack.url("group.ledger"))
        settings = Settings(broker_url=url, database_url=stack.database_url)
        unhurried = replace(CATALOG.group("ledger"), longest_runtime=seconds(60))
        made.append(OneProcess(settings, CATALOG, unhurried, module_bench, function, **more))
        return made[-1]

    yield make
    for each in made:
        each.sender.close()
        each.engine.dispose()


@pytest.fixture
def id_(request: pytest.FixtureRequest) -> str:
    """An event of the test's own."""
    return f"{request.node.name}"[:150]


def kill(thing: object, name: str, patch: pytest.MonkeyPatch, *, after: bool = True) -> None:
    """Let the process end just after, or before, a step."""
    step = getattr(thing, name)

    def last(*args: Any, **more: Any) -> None:
        if after:
            step(*args, **more)
        raise Killed

    patch.setattr(thing, name, last)


def test_processed_once(process: Make, id_: str) -> None:
    """Published events are confirmed, then the outcome is recorded; the next delivery is absorbed."""
    one = process()
    assert isinstance(one.settlement, Apart)
    assert [one.deliver(id_), one.deliver(id_)] == ["processed", "absorbed"]
    assert (one.runs, len(one.sent(names.IN, id_))) == ([1], 1)
    assert one.copied(id_) == verdicts.PROCESSED


#: Where a process ends, how often the handler has run in the end, and how often the event was published.
CUTS: dict[str, tuple[Callable[[OneProcess], tuple[object, str]], bool, list[int], int]] = {
    "after the claim": (lambda one: (one.inbox, "claim"), True, [2], 1),
    "before anything is sent": (lambda _one: (Apart, "hand_over"), False, [1, 2], 1),
    "after it was sent": (lambda _one: (Apart, "hand_over"), True, [1, 2], 2),
    "before the outcome": (lambda one: (one.inbox, "complete"), False, [1, 2], 2),
    "after the outcome": (lambda one: (one.inbox, "complete"), True, [1], 1),
}


@pytest.mark.parametrize("cut", CUTS)
def test_cut_at_each_step(process: Make, module_bench: Bench, id_: str, cut: str) -> None:
    """Whatever was cut, the event is processed in the end, and what was published twice has one id."""
    place, after, runs, sent = CUTS[cut]
    first, second = process(), process()
    with pytest.MonkeyPatch.context() as patch:
        kill(*place(first), patch, after=after)
        with pytest.raises(Killed):
            first.deliver(id_)
    done = cut == "after the outcome"
    assert second.deliver(id_) == ("absorbed" if done else "waiting")
    module_bench.pass_time()
    assert second.deliver(id_) == ("absorbed" if done else "processed")
    published = [row.event_id for row in second.sent(names.IN, id_)]
    assert (len(published), len(set(published))) == (sent, 1)
    assert first.runs + second.runs == runs


BURIALS: dict[str, tuple[Callable[[OneProcess], tuple[object, str]], int]] = {
    "after the end of the attempts": (lambda one: (one.inbox, "exhaust"), 1),
    "after the letter": (lambda _one: (Apart, "hand_over_letter"), 2),
    "after the outcome": (lambda one: (one.inbox, "complete"), 1),
}


@pytest.mark.parametrize("cut", BURIALS)
def test_burial_cut_at_each_step(process: Make, module_bench: Bench, id_: str, cut: str) -> None:
    """A dead letter is never lost, and the handler does not run again after it."""

    def give_up(_event: OrderPlaced, _work: UnitOfWork) -> None:
        raise Permanent("never")

    place, letters = BURIALS[cut]
    first, second = process(give_up), process(give_up)
    with pytest.MonkeyPatch.context() as patch:
        kill(*place(first), patch)
        with pytest.raises(Killed):
            first.deliver(id_)
    done = cut == "after the outcome"
    assert second.deliver(id_) == ("absorbed" if done else "waiting")
    module_bench.pass_time()
    assert second.deliver(id_) == ("absorbed" if done else "dead-lettered")
    assert len(second.sent(names.DEAD, id_)) == letters
    assert (first.runs, second.runs) == ([1], [])
    assert second.copied(id_) == verdicts.DEAD_LETTERED
    assert second.deliver(id_) == "absorbed"


def test_overtaken_while_it_runs(process: Make, module_bench: Bench, id_: str) -> None:
    """A stale holder sends nothing and records nothing."""
    other = process()

    def slow(event: OrderPlaced, work: UnitOfWork) -> None:
        work.publish(OrderShipped(order_id=event.order_id))
        assert other.deliver(id_) == "waiting"
        module_bench.pass_time()
        assert other.deliver(id_) == "processed"

    stale = process(slow)
    assert stale.deliver(id_) == "overtaken"
    assert len(other.sent(names.IN, id_)) == 1


def test_overtaken_while_it_discards(process: Make, module_bench: Bench, id_: str) -> None:
    """A stale holder has nothing to say, whatever its reason."""
    other = process()

    def slow(_event: OrderPlaced, _work: UnitOfWork) -> None:
        assert other.deliver(id_) == "waiting"
        module_bench.pass_time()
        assert other.deliver(id_) == "processed"
        raise Discard("nothing to do")

    assert process(slow).deliver(id_) == "overtaken"


def test_a_stale_copy_does_not_overwrite_a_later_outcome(process: Make, module_bench: Bench, id_: str) -> None:
    """What people see is what the last holder recorded, however late a stale one comes."""

    def discard(_event: OrderPlaced, _work: UnitOfWork) -> None:
        raise Discard("nothing to do")

    other = process(discard)

    def slow(_event: OrderPlaced, _work: UnitOfWork) -> None:
        assert other.deliver(id_) == "waiting"
        module_bench.pass_time()
        assert other.deliver(id_) == "discarded"

    one = process(slow)
    assert one.deliver(id_) == "overtaken"
    assert one.copied(id_) == verdicts.DISCARDED


def test_failure_is_tried_again(process: Make, module_bench: Bench, id_: str) -> None:
    """By the broker's delay, attempt by attempt, then it is a dead letter."""

    def fail(_event: OrderPlaced, _work: UnitOfWork) -> None:
        raise RuntimeError("no")

    one, outcomes = process(fail), []
    for _ in range(3):
        outcomes.append(one.deliver(id_))
        module_bench.pass_time()
    assert outcomes == ["retrying", "retrying", "dead-lettered"]
    assert (one.runs, len(one.sent(names.DEAD, id_))) == ([1, 2, 3], 1)


def test_statements_are_refused(process: Make, id_: str) -> None:
    """They could not commit together with the outcome: a dead letter at once, not half an effect."""
    one = process(lambda _event, work: work.execute(insert(effects).values(who="x", order_id="1")))
    assert one.deliver(id_) == "dead-lettered"
    (letter,) = one.sent(names.DEAD, id_)
    assert "must have an inbox in the database" in letter.headers["x-millrace-error"]


def test_external_calls_need_a_store_that_remembers(process: Make, id_: str) -> None:
    """FENCED stores have them on record; with BEST_EFFORT they are refused, unless the handler allows repetition."""
    calls: list[str] = []
    one = process(lambda _event, work: work.external("pay", calls.append))
    remembers = one.inbox.level >= Level.FENCED
    assert one.deliver(id_) == ("processed" if remembers else "dead-lettered")
    assert len(calls) == (1 if remembers else 0)
    assert process(one.function, may_repeat=True).deliver(f"{id_}-allowed") == "processed"


def test_call_whose_outcome_is_unknown(process: Make, module_bench: Bench, id_: str) -> None:
    """Killed between the call and its record: never a blind repeat, but a dead letter."""

    def die(_key: str) -> None:
        raise Killed

    first = process(lambda _event, work: work.external("pay", die), may_repeat=True)
    with pytest.raises(Killed):
        first.deliver(id_)
    called: list[str] = []
    second = process(lambda _event, work: work.external("pay", called.append), may_repeat=True)
    assert second.deliver(id_) == "waiting"
    module_bench.pass_time()
    assert (second.deliver(id_), called) == ("dead-lettered", [])


@pytest.mark.parametrize("step", ["claim", "complete"])
def test_store_that_does_not_answer(process: Make, monkeypatch: pytest.MonkeyPatch, id_: str, step: str) -> None:
    """The event waits in the broker, whether or not the last write was made."""

    def silent(*_: object) -> None:
        raise StoreUnavailable

    one = process()
    monkeypatch.setattr(one.inbox, step, silent)
    assert one.deliver(id_) == "waiting"


def test_broker_that_does_not_answer(process: Make, id_: str) -> None:
    """What was published waits in the outbox; only a retry needs the broker, else the delivery goes back."""
    nowhere = "amqp://nobody:nothing@127.0.0.1:1/nowhere"
    assert process(broker_url=nowhere).deliver(id_) == "processed"

    def fail(_event: OrderPlaced, _work: UnitOfWork) -> None:
        raise RuntimeError("no")

    one = process(fail, broker_url=nowhere)
    with pytest.raises(GiveBack):
        one.deliver(f"{id_}-fails")
    found = one.inbox.look("ledger", "/x", f"{id_}-fails")
    assert found is not None
    assert found.state == verdicts.RUNNING
