"""Effects outside the database (mail, payment, cloud calls): intent recorded, call made, outcome recorded."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from millrace.errors import NotDone, Permanent
from millrace.publishing.store_clock import store_now
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, insert, select, update

from workers.database import begin
from workers.inbox import Claim, require_held
from workers.tables import external_calls

INTENDED, DONE = "intended", "done"


class Reconciled(Enum):
    """What a provider says of a call whose outcome was not recorded."""

    DONE = "done"
    NOT_DONE = "not done"
    UNKNOWN = "unknown"


class OutcomeUnknown(Permanent):
    """A call was begun and its outcome is not known: a person must find out."""


def call_once(
    engine: Engine,
    held: Claim,
    name: str,
    provider_key: str,
    call: Callable[[str], Any],
    reconcile: Callable[[str], Reconciled] | None,
) -> Any:
    """Make the call unless an earlier attempt made it; see UnitOfWork.external."""
    with begin(engine) as connection:
        require_held(connection, held)
        earlier = connection.execute(select(external_calls).where(_key(held, name))).one_or_none()
        if earlier is None:
            _record_intent(connection, held, name, provider_key)
    if earlier is not None:
        if earlier.state == DONE:
            return earlier.result
        settled = reconcile(provider_key) if reconcile else Reconciled.UNKNOWN
        if settled is Reconciled.UNKNOWN:
            raise OutcomeUnknown(f"outcome unknown: {name} was begun by an earlier attempt and may have had its effect")
        if settled is Reconciled.DONE:
            return _record_outcome(engine, held, name, None)
    try:
        result = call(provider_key)
    except NotDone:
        with begin(engine) as connection:
            require_held(connection, held)
            connection.execute(delete(external_calls).where(_key(held, name)))
        raise
    return _record_outcome(engine, held, name, result)


def _key(held: Claim, name: str) -> ColumnElement[bool]:
    table, event = external_calls.c, held.request.envelope
    mine = and_(table.group_name == held.request.group, table.source == event.source, table.event_id == event.id)
    return and_(mine, table.name == name)


def _record_intent(connection: Connection, held: Claim, name: str, provider_key: str) -> None:
    values = {
        "group_name": held.request.group,
        "source": held.request.envelope.source,
        "event_id": held.request.envelope.id,
        "name": name,
        "provider_key": provider_key,
        "state": INTENDED,
        "updated_at": store_now(),
    }
    connection.execute(insert(external_calls).values(values))


def _record_outcome(engine: Engine, held: Claim, name: str, result: Any) -> Any:
    """Record that the call was made: true whoever holds the event now, so it is not fenced."""
    with begin(engine) as connection:
        done = {"state": DONE, "result": result, "updated_at": store_now()}
        connection.execute(update(external_calls).where(_key(held, name)).values(done))
    return result
