"""A batch that is on its way and not committed: what is tried again, and within which time."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from sqlalchemy import create_engine

from workers.lane.batch import Batches, OnItsWay, Settled
from workers.lane.entry import Entry
from workers.lane.running import Ran
from workers.lane.transaction import Sent, Taken

OUTAGE = psycopg.OperationalError("the connection is lost")
REFUSED = psycopg.DataError("0 of 1 events are new")


def _raising(error: Exception) -> Callable[..., Any]:
    def end(*_arguments: Any) -> None:
        raise error

    return end


def _ended(error: Exception, left: float) -> tuple[bool, int, Settled]:
    """What comes of a batch on its way that ends in an error, so many seconds before its time is up.

    Whether the database is there, how often it was committed once more, and what became of its event.
    """
    times: list[Any] = []
    group, timing = SimpleNamespace(idempotent=False), SimpleNamespace(soft_limit=1.0)
    batches = Batches(cast(Any, SimpleNamespace(timing=timing, worker="w", group=group)), _engine(), 10)
    batches._transactions = cast(Any, SimpleNamespace(commit=lambda *given: times.append(given)))
    entry = cast("Entry", SimpleNamespace(key=("/s", "1")))
    ran = cast("Ran", SimpleNamespace(entries=[entry]))
    batches._before = OnItsWay([ran], cast("Sent", SimpleNamespace(end=_raising(error))))
    settled, now = Settled(), time.monotonic()
    there = batches._end(now + left, now, settled)
    return there, len(times), settled


def _engine() -> Any:
    return create_engine("sqlite://")


@pytest.mark.parametrize("error", [OUTAGE, REFUSED])
def test_it_is_committed_once_more(error: Exception) -> None:
    there, times, settled = _ended(error, 10.0)
    assert (there, times, len(settled.committed), settled.aside) == (True, 1, 1, [])


def test_a_silent_database_that_has_had_its_time_is_not_asked_again() -> None:
    """Another line would have to be awaited, too: the batch's bound counts one commit only."""
    there, times, settled = _ended(OUTAGE, 0.0)
    assert (there, times, settled.committed, len(settled.aside)) == (False, 0, [], 1)


def test_a_refusal_that_comes_late_is_looked_into_all_the_same() -> None:
    there, times, settled = _ended(REFUSED, 0.0)
    assert (there, times, len(settled.committed)) == (True, 1, 1)


def test_what_is_known_to_be_taken_is_not_asked_again() -> None:
    there, times, settled = _ended(Taken(frozenset()), 10.0)
    assert (there, times, settled.committed, len(settled.aside)) == (True, 0, [], 1)
