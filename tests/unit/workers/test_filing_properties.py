"""Letters: any message can be filed and stored, its bytes as they came; a copy is known, another one is not lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from millrace.envelope import Envelope
from sqlalchemy import Connection, create_engine, delete, event, func, select
from sqlalchemy.pool import StaticPool

from tests.strategies import CATALOG, DELIVERIES, TRUSTED
from workers.filing import accepted_row, letter_row, mark_of
from workers.received import Delivery
from workers.storing import Batch, Filed, store
from workers.tables import accepted, letters, metadata

QUEUES = st.sampled_from(["dead.g", "parked", "rejected"])
KEYS = st.sampled_from(["any.thing", "group.g"]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A store in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    event.listen(engine, "connect", lambda raw, _record: setattr(raw, "isolation_level", None))
    event.listen(engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN"))
    metadata.create_all(engine)
    with engine.connect() as open_one:
        yield open_one
    engine.dispose()


def filed(queue: str, key: str, came: Delivery, *, redelivered: bool = False) -> Filed:
    """As the keeper files a message."""
    row = letter_row(queue, key, came, CATALOG, TRUSTED)
    return Filed(row=row, marked=mark_of(queue, came.headers) is not None, redelivered=redelivered)


def kept(connection: Connection, *those: Filed) -> list[Any]:
    """What an empty store holds after some letters."""
    connection.execute(delete(letters))
    for each in those:
        store(connection, Batch(letters=[each]))
    return list(connection.execute(select(letters).order_by(letters.c.id)).all())


same_store = settings(suppress_health_check=list(HealthCheck))  # the fixture is one for all cases


@same_store
@given(queue=QUEUES, key=KEYS, came=DELIVERIES)
def test_any_message_is_stored_as_it_came(connection: Connection, queue: str, key: str, came: Delivery) -> None:
    """Its bytes, or for a trusted sender's good Celery message the event that it is; nothing filed is left out."""
    letter = filed(queue, key, came)
    [row] = kept(connection, letter)
    if row.body != came.body:
        assert "task" in came.headers
        assert Envelope.from_bytes(row.body).source == "/celery"
    stored = {name: getattr(row, name) for name in letter.row}
    assert stored == letter.row
    entry = accepted_row(key, came, CATALOG)
    if entry is not None:
        connection.execute(delete(accepted))
        store(connection, Batch(accepted=[entry, entry]))
        assert connection.execute(select(func.count()).select_from(accepted)).scalar_one() == 1


@same_store
@given(queue=QUEUES, came=DELIVERIES, other=DELIVERIES)
def test_a_copy_is_known_and_another_is_kept(
    connection: Connection, queue: str, came: Delivery, other: Delivery
) -> None:
    """The broker's second delivery adds nothing; a second message does, were it the same to the byte."""
    first, copy = filed(queue, "k", came), filed(queue, "k", came, redelivered=True)
    assert len(kept(connection, first, copy)) == 1
    assert len(kept(connection, first, first)) == (1 if first.marked else 2)
    second = filed(queue, "k", other)
    bodies = [row.body for row in kept(connection, first, second)]
    assert second.row["body"] in bodies
