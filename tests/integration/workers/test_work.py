"""The unit of work and external calls, on each store."""

from collections.abc import Iterator

import pytest
from millrace.errors import NotDone, Permanent
from millrace.publishing.outbox_keys import key_number
from sqlalchemy import Engine, insert, select, text, update

from tests.integration.workers.sample_catalog import CATALOG, LedgerCheck, OrderShipped
from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stack import prepare_store
from tests.integration.workers.test_inbox import claim, claimed, expire
from workers import verdicts
from workers.database import begin, connect, reading
from workers.external import OutcomeUnknown, Reconciled
from workers.tables import external_calls, outbox
from workers.verdicts import Claim, Fenced
from workers.work import Overtaken, UnitOfWork


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A fresh store with Millrace's tables and the test's own."""
    prepare_store(database_url)
    made = connect(database_url)
    yield made
    made.dispose()


def work_on(engine: Engine, held: Claim) -> UnitOfWork:
    """A unit of work on a claim."""
    return UnitOfWork(engine, CATALOG, held)


def rows(engine: Engine, table: object) -> list[object]:
    """All rows of a table."""
    with reading(engine) as connection:
        return list(connection.execute(select(table)))  # type: ignore[call-overload]


def test_nothing_happens_before_the_flush(engine: Engine) -> None:
    """Statements and events are deferred; the flush writes them all."""
    work = work_on(engine, claimed(engine, group="ledger"))
    work.execute(insert(effects).values(who="x", order_id="1"))
    work.publish(OrderShipped(order_id="1"))
    work.publish(LedgerCheck(order_id="1"))
    assert rows(engine, effects) == []
    assert rows(engine, outbox) == []
    with begin(engine) as connection:
        work.flush(connection)
    assert len(rows(engine, effects)) == 1
    routes = [(row.exchange, row.routing_key, row.type) for row in rows(engine, outbox)]  # type: ignore[attr-defined]
    assert routes == [("in", "order.shipped", "order.shipped"), ("groups", "group.ledger", "ledger.check")]


def test_events_of_a_key_are_written_with_it_and_hold_it(engine: Engine) -> None:
    """Another writer of the key waits for the end of the event's transaction, so their order is that of the commits."""
    work = work_on(engine, claimed(engine, group="ledger"))
    work.publish(OrderShipped(order_id="1"), partition_key="order-1")
    with begin(engine) as connection:
        work.flush(connection)
        if engine.dialect.name == "postgresql":
            held = text("select objid from pg_locks where locktype = 'advisory'")
            assert connection.execute(held).scalars().all() == [key_number("order-1") & 0xFFFFFFFF]
    (row,) = rows(engine, outbox)
    assert row.partition_key == "order-1"  # type: ignore[attr-defined]


def test_published_ids_are_the_same_at_every_attempt(engine: Engine) -> None:
    """So a consumer knows what a repeated attempt publishes; two events of one kind differ."""
    held = claimed(engine, group="ledger")
    first, second = work_on(engine, held), work_on(engine, held)
    ids = [first.publish(OrderShipped(order_id="1")), first.publish(OrderShipped(order_id="1"))]
    assert ids == [second.publish(OrderShipped(order_id="1")), second.publish(OrderShipped(order_id="1"))]
    assert ids[0] != ids[1]
    assert first.key == second.key


def test_task_of_another_group_is_refused(engine: Engine) -> None:
    """A group sends its tasks to itself only."""
    work = work_on(engine, claimed(engine, group="flaky"))
    with pytest.raises(Permanent):
        work.publish(LedgerCheck(order_id="1"))


def test_rows_that_are_not_changed_undo_everything(engine: Engine) -> None:
    """A deferred statement may insist on how many rows it changes."""
    work = work_on(engine, claimed(engine))
    work.execute(insert(effects).values(who="x", order_id="1"))
    work.execute(update(effects).where(effects.c.who == "nobody").values(who="y"), rows=1)
    with pytest.raises(Overtaken), begin(engine) as connection:
        work.flush(connection)
    assert rows(engine, effects) == []


def test_external_call_is_made_once_and_its_result_kept(engine: Engine) -> None:
    """A later attempt gets the recorded result and does not call."""
    calls: list[str] = []

    def call(key: str) -> dict[str, str]:
        calls.append(key)
        return {"receipt": "r-1"}

    assert work_on(engine, claimed(engine)).external("pay", call) == {"receipt": "r-1"}
    expire(engine)
    again = work_on(engine, claimed(engine))
    assert again.external("pay", call) == {"receipt": "r-1"}
    assert calls == [again.key]


def begun(engine: Engine) -> None:
    """An attempt that dies between the call and the record of its outcome."""

    def die(_key: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_on(engine, claimed(engine)).external("pay", die)
    expire(engine)


def test_unknown_outcome_is_never_repeated_blindly(engine: Engine) -> None:
    """Without a way to ask, a person must look."""
    begun(engine)
    with pytest.raises(OutcomeUnknown, match="outcome unknown"):
        work_on(engine, claimed(engine)).external("pay", lambda _key: pytest.fail("called again"))


def test_provider_that_says_unknown_is_believed(engine: Engine) -> None:
    """So is one that cannot tell."""
    begun(engine)
    work = work_on(engine, claimed(engine))
    with pytest.raises(OutcomeUnknown):
        work.external("pay", lambda _key: pytest.fail("called again"), reconcile=lambda _key: Reconciled.UNKNOWN)


def test_provider_that_has_it_is_not_called_again(engine: Engine) -> None:
    """DONE is recorded as the outcome."""
    begun(engine)
    work = work_on(engine, claimed(engine))
    work.external("pay", lambda _key: pytest.fail("called again"), reconcile=lambda _key: Reconciled.DONE)
    assert [row.state for row in rows(engine, external_calls)] == ["done"]  # type: ignore[attr-defined]


def test_provider_that_has_it_not_is_called_with_the_same_key(engine: Engine) -> None:
    """NOT_DONE repeats the call with the key of the first."""
    begun(engine)
    work, keys = work_on(engine, claimed(engine)), list[str]()
    work.external("pay", keys.append, reconcile=lambda _key: Reconciled.NOT_DONE)
    assert keys == [work.key]


def test_not_done_may_be_tried_again(engine: Engine) -> None:
    """A call that certainly had no effect leaves no intent behind."""

    def refuse(_key: str) -> None:
        raise NotDone("no connection")

    with pytest.raises(NotDone):
        work_on(engine, claimed(engine)).external("pay", refuse)
    assert rows(engine, external_calls) == []


def test_overtaken_attempt_does_not_call(engine: Engine) -> None:
    """A stale holder is stopped before the effect, not after."""
    stale = claimed(engine)
    expire(engine)
    claimed(engine)
    with pytest.raises(Fenced):
        work_on(engine, stale).external("pay", lambda _key: pytest.fail("called"))


def test_fetch_sees_what_is_committed(engine: Engine) -> None:
    """Reads are of now and hold no lock: another may write meanwhile."""
    work = work_on(engine, claimed(engine))
    with begin(engine) as connection:
        connection.execute(insert(effects).values(who="other", order_id="1"))
    assert [row.who for row in work.fetch(select(effects))] == ["other"]
    assert isinstance(claim(engine, group="another"), verdicts.Claim)
