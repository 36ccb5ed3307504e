"""One delivery when something else is out: the store, the broker, or both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import amqp
import pytest
from millrace import seal
from millrace.publishing.connection import broker_options

from tests.integration.workers.sample_catalog import CATALOG, OrderPlaced
from tests.integration.workers.stack import Stack, until
from workers.execution import Execution, GiveBack
from workers.handling import Handler
from workers.received import Received
from workers.runtime import Runtime
from workers.settings import Settings
from workers.work import UnitOfWork

Function = Callable[[OrderPlaced, UnitOfWork], None]


@dataclass(frozen=True)
class OwnRuntime(Runtime):
    """A runtime with one handler, given by the test."""

    function: Function = lambda _event, _work: None

    @property
    def handlers(self) -> dict[str, Handler[OrderPlaced]]:
        """The one handler."""
        return {"order.placed": Handler(OrderPlaced, self.function)}


Make = Callable[..., OwnRuntime]


@pytest.fixture
def runtime(stack: Stack) -> Iterator[Make]:
    """Makes the ledger group's runtime in this process, with some settings changed; closed afterwards."""
    made: list[OwnRuntime] = []

    def make(function: Function = lambda _event, _work: None, **changes: str) -> OwnRuntime:
        own = Settings(broker_url=stack.url("group.ledger"), database_url=stack.database_url)
        settings = replace(own, **changes)  # type: ignore[arg-type]
        made.append(OwnRuntime(settings, CATALOG, CATALOG.group("ledger"), function))
        return made[-1]

    yield make
    for each in made:
        each.sender.close()
        each.engine.dispose()


def event(id_: str) -> Received:
    """A received event."""
    payload = OrderPlaced(order_id=id_)
    return Received(envelope=seal(payload, source="/x", id=id_), payload=payload)


def come_back(stack: Stack, id_: str) -> None:
    """Wait for the event in the group's queue, and take it out."""
    with amqp.Connection(**broker_options(stack.url("group.ledger"))) as connection:
        channel = connection.channel()
        message = until(lambda: channel.basic_get("ledger", no_ack=True), seconds=20, what="the delayed event")
    assert message.properties["message_id"] == id_


@pytest.fixture
def no_store(tmp_path: Path) -> str:
    """A store that has no tables: every statement fails as in an outage."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


NOWHERE = "amqp://nobody:nothing@127.0.0.1:1/nowhere"


def test_store_out_before_the_claim_waits_in_the_broker(stack: Stack, runtime: Make, no_store: str) -> None:
    """No attempt is counted; the event comes back by itself."""
    report = Execution(runtime(database_url=no_store), event("out-1")).run()
    assert (report.outcome, report.attempt) == ("waiting", None)
    come_back(stack, "out-1")


def test_store_and_broker_out_gives_back(runtime: Make, no_store: str) -> None:
    """Nothing could be recorded anywhere, so the delivery is not acked."""
    with pytest.raises(GiveBack):
        Execution(runtime(database_url=no_store, broker_url=NOWHERE), event("out-2")).run()


def test_failure_with_the_broker_out_gives_back(stack: Stack, runtime: Make) -> None:
    """A retry that cannot be sent is no retry: the delivery goes back, its attempt is counted."""

    def fail(_event: OrderPlaced, _work: UnitOfWork) -> None:
        raise RuntimeError("no")

    broken = runtime(fail, broker_url=NOWHERE)
    with pytest.raises(GiveBack):
        Execution(broken, event("out-3")).run()
    assert stack.outcome("ledger", "out-3") == "running"


def test_overrun_is_an_attempt(stack: Stack, runtime: Make) -> None:
    """A handler that runs longer than declared is interrupted and tried again."""

    def hang(_event: OrderPlaced, _work: UnitOfWork) -> None:
        while True:
            pass

    report = Execution(runtime(hang), event("long")).run()
    assert (report.outcome, report.note) == ("retrying", "Overran")
    come_back(stack, "long")


def test_second_delivery_while_the_first_runs_waits(runtime: Make) -> None:
    """The copy is not absorbed: if the first one dies, it is the one that runs."""
    inner: list[str] = []

    def overlap(_event: OrderPlaced, _work: UnitOfWork) -> None:
        inner.append(Execution(runtime(), event("twice")).run().outcome)

    report = Execution(runtime(overlap), event("twice")).run()
    assert (report.outcome, inner) == ("processed", ["waiting"])
    assert Execution(runtime(), event("twice")).run().outcome == "absorbed"
