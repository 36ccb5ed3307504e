"""Sample events for a fresh stack: published, then followed until nothing is on its way any more."""

import time
import uuid
from collections.abc import Callable
from typing import Any

from millrace.declarations import Catalog
from millrace.envelope import payload_from
from millrace.errors import UnknownEventType
from millrace.publishing import Publisher
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, Engine, select

from operations.function_outcomes import FunctionOutcomes
from operations.why import UNKNOWN, Report, why
from workers.database import connect, reading
from workers.tables import accepted, outbox

FOLLOW_SECONDS = 30.0
_POLL_SECONDS = 0.2
_PEOPLE = ("ada", "grace", "edsger")


def sample_payloads() -> list[tuple[str, dict[str, Any]]]:
    """What is published: a few people sign up."""
    run = uuid.uuid4().hex[:6]
    return [("user.signed_up", {"user_id": f"{person}-{run}", "email": f"{person}@example.org"}) for person in _PEOPLE]


def run_samples(
    catalog: Catalog, broker_url: str, database_url: str, say: Callable[[str], None], functions: FunctionOutcomes
) -> list[Report]:
    """Publish the samples that the catalog knows and report on all events that came of them, oldest first."""
    engine = connect(database_url)
    try:
        with reading(engine) as connection:
            began = connection.execute(select(store_now())).scalar_one()
        published = _publish(catalog, broker_url)
        if not published:
            say("no sample events: the catalog has no user.signed_up any more")
            return []
        say(f"published {len(published)} sample events")
        return _followed(engine, catalog, published, began, functions)
    finally:
        engine.dispose()


def _publish(catalog: Catalog, broker_url: str) -> list[str]:
    with Publisher(broker_url, catalog=catalog) as publisher:
        try:
            payloads = [payload_from(catalog.event(type_).payload, fields) for type_, fields in sample_payloads()]
        except UnknownEventType:
            return []
        return publisher.publish_many(payloads)


def _followed(
    engine: Engine, catalog: Catalog, published: list[str], began: float, functions: FunctionOutcomes
) -> list[Report]:
    """The reports once nothing is in flight, or as they are when the time is over."""
    deadline = time.monotonic() + FOLLOW_SECONDS
    while True:
        with reading(engine) as connection:
            ids = _since(connection, published, began)
            reports = [why(connection, catalog, event_id, functions=functions) for event_id in ids]
        unsettled = [report for report in reports if report["state"] in ("in flight", UNKNOWN)]
        if not unsettled or time.monotonic() > deadline:
            return [report for report in reports if not _is_own_task(report["type"], catalog)]
        time.sleep(_POLL_SECONDS)


def _is_own_task(type_: str | None, catalog: Catalog) -> bool:
    """A group's own tasks are waited for, as events come of them, but they are nobody else's concern."""
    return type_ is not None and catalog.task_owner(type_) is not None


def _since(connection: Connection, published: list[str], began: float) -> list[str]:
    """The events published here, and the events and tasks that handlers sent since."""
    sent = select(outbox.c.event_id).where(outbox.c.created_at >= began).order_by(outbox.c.id)
    seen = select(accepted.c.event_id).where(accepted.c.accepted_at >= began).order_by(accepted.c.accepted_at)
    return list(dict.fromkeys([*published, *connection.execute(sent).scalars(), *connection.execute(seen).scalars()]))
