"""What waits in the outbox, counted on each store."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from operations.outbox_numbers import MOST_KEYS, OutboxNumbers, outbox_numbers
from tests.integration.workers.outbox_rows import claim, keyed, record, shift
from tests.integration.workers.retention.rows import migrated
from workers.database import reading


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A fresh store."""
    with migrated(database_url) as made:
        yield made


def numbers(engine: Engine) -> OutboxNumbers:
    with reading(engine) as connection:
        return outbox_numbers(connection)


def test_an_empty_outbox(engine: Engine) -> None:
    assert numbers(engine) == OutboxNumbers(unpublished=0, lag=0.0, error=None, stopped=())


def test_what_waits_and_which_keys_are_stopped(engine: Engine) -> None:
    keyed(engine, "a1", "a2", "b1", "-1", "-2", "c1")
    rows = claim(engine, "one")
    record(engine, "one", rows, "-1", "c1", refused=["a1", "-2"])
    shift(engine, -100, "created_at")
    keyed(engine, "a3")
    found = numbers(engine)
    assert (found.unpublished, round(found.lag), found.error) == (5, 100, "no room")
    (stopped,) = found.stopped
    assert (stopped.key, stopped.event_id, stopped.attempts, stopped.waiting) == ("a", "a1", 1, 3)
    assert (stopped.error, round(stopped.seconds)) == ("no room", 100)


def test_only_so_many_keys_are_named(engine: Engine) -> None:
    names = [f"{chr(ord('A') + number)}1" for number in range(MOST_KEYS + 1)]
    keyed(engine, *names)
    record(engine, "one", claim(engine, "one"), refused=names)
    assert [stopped.event_id for stopped in numbers(engine).stopped] == names[:MOST_KEYS]
