"""Celery's own messages from trusted senders, and the group's own tasks."""

import pytest
from millrace.errors import UnknownEventType
from sqlalchemy import select

from tests.integration.workers.sample_catalog import CATALOG, OrderPlaced
from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stack import Stack, until
from workers.app import make_app, send_to_group
from workers.settings import Settings


def test_send_task_reaches_every_group(postgres_fleet: Stack) -> None:
    """An event's task name goes to all groups bound to the type; the caller may set the id."""
    app = make_app(postgres_fleet.url("service.office"), CATALOG)
    sent = app.send_task("order.placed", kwargs={"orderId": "all"}, task_id="chosen-1")
    assert sent.id == "chosen-1"
    for group in ("ledger", "flaky"):
        until(lambda group=group: postgres_fleet.outcome(group, "chosen-1") == "processed", what=group)  # type: ignore[misc]
    app.close()


def test_countdown_waits_in_the_broker_and_reaches_every_group(postgres_fleet: Stack) -> None:
    """Celery's own delay ends in the queues of the event's groups, each once."""
    app = make_app(postgres_fleet.url("service.office"), CATALOG)
    app.send_task("order.placed", kwargs={"order_id": "soon"}, task_id="soon-1", countdown=2)
    for group in ("ledger", "flaky"):
        until(lambda group=group: postgres_fleet.outcome(group, "soon-1") == "processed", what=group)  # type: ignore[misc]
        assert len(postgres_fleet.effects(group, "soon")) == 1
    app.close()


def test_unknown_task_name_is_refused_by_the_sender(postgres_fleet: Stack) -> None:
    """Nothing is sent that no queue would take."""
    app = make_app(postgres_fleet.url("service.office"), CATALOG)
    with pytest.raises(UnknownEventType):
        app.send_task("no.such", kwargs={})
    app.close()


def test_delay_reaches_one_group(postgres_fleet: Stack) -> None:
    """What a handler's `.delay()` calls reaches its group and no other."""
    url = postgres_fleet.url("service.office")
    settings = Settings(
        broker_url=url, database_url="sqlite://", catalog=postgres_fleet.catalog_name, handlers=postgres_fleet.handlers
    )
    id_ = send_to_group("ledger", OrderPlaced(order_id="one"), settings)
    until(lambda: postgres_fleet.outcome("ledger", id_) == "processed", what="the group's outcome")
    assert postgres_fleet.outcome("flaky", id_) is None


def test_own_task_stays_in_its_group(postgres_fleet: Stack) -> None:
    """A task that a handler publishes comes back to its own group."""
    with postgres_fleet.publisher() as publisher:
        publisher.publish(OrderPlaced(order_id="checked", how="check"))
    until(lambda: postgres_fleet.effects("check", "checked"), what="the own task's effect")
    assert len(postgres_fleet.effects("check", "checked")) == 1


def test_published_event_without_a_group_is_parked(postgres_fleet: Stack) -> None:
    """What a handler publishes goes through the outbox; without a group for it, to the parked letters."""
    with postgres_fleet.publisher() as publisher:
        publisher.publish(OrderPlaced(order_id="parcel", how="ship"))
    by_ledger = lambda: [row.type for row in postgres_fleet.letters("parked") if row.source == "/ledger"]  # noqa: E731
    assert until(by_ledger, what="the parked letter") == ["order.shipped"]


def test_five_in_parallel_are_one(postgres_fleet: Stack) -> None:
    """The same id and source is one effect; another source is another event."""
    for source in ("/a", "/a", "/a", "/a", "/a", "/b"):
        publisher = postgres_fleet.publisher()
        publisher.source = source
        publisher.publish(OrderPlaced(order_id="same"), id="same")
        publisher.close()
    until(lambda: len(postgres_fleet.effects("ledger", "same")) == 2, what="two effects")
    until(lambda: postgres_fleet.messages("ledger") == 0, what="an empty queue")
    assert len(postgres_fleet.effects("ledger", "same")) == 2


def test_same_id_with_another_payload_is_a_conflict(postgres_fleet: Stack) -> None:
    """A conflict is a dead letter, and changes nothing."""
    with postgres_fleet.publisher() as publisher:
        publisher.publish(OrderPlaced(order_id="first"), id="conflict")
        until(lambda: postgres_fleet.outcome("ledger", "conflict") == "processed", what="the first")
        publisher.publish(OrderPlaced(order_id="second"), id="conflict")
    wanted = {("ledger", "conflict"), ("flaky", "conflict")}
    until(lambda: {(row.group_name, row.cause) for row in postgres_fleet.letters()} >= wanted, what="the letters")
    found = postgres_fleet.rows(select(effects).where(effects.c.order_id == "second"))
    assert found == []
