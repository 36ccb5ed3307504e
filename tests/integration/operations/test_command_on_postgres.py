"""The command where the store is PostgreSQL: what it reads and writes there."""

import json

import pytest

from tests.integration.conftest import GROUPS
from tests.integration.operations.conftest import Millrace
from tests.integration.operations.test_command import published, state
from tests.integration.workers.stack import Stack, until


@pytest.fixture(scope="module")
def stack(postgres_fleet: Stack) -> Stack:
    """All groups' workers, relay and keeper."""
    return postgres_fleet


def test_an_event_is_followed_and_counted(millrace: Millrace) -> None:
    event_id = published(millrace, order_id="o-1")
    until(lambda: state(millrace, event_id) == "processed", what="the event processed")
    assert set(json.loads(millrace("status", "--json").stdout)["groups"]) == set(GROUPS)


def test_parked_events_are_listed_the_same_each_time(millrace: Millrace) -> None:
    ids = [published(millrace, "order.shipped", order_id=f"p-{number}") for number in range(3)]
    until(lambda: all(state(millrace, event_id) == "parked" for event_id in ids), what="the events parked")
    first, *others = [json.loads(millrace("parked", "list", "--json").stdout) for _ in range(3)]
    assert set(ids) <= {letter["event_id"] for letter in first}
    assert others == [first] * 2


def test_a_dead_letter_is_replayed_once(millrace: Millrace) -> None:
    event_id = published(millrace, order_id="d-1", how="never")

    def listed() -> list[int]:
        letters = json.loads(millrace("dead-letters", "list", "--json").stdout)
        return [letter["id"] for letter in letters if letter["event_id"] == event_id]

    (first,) = until(listed, what="the dead letter")
    assert millrace("dead-letters", "replay", str(first)).exit_code == 0
    (second,) = until(lambda: [id_ for id_ in listed() if id_ != first], what="the letter of the replayed event")
    again = millrace("dead-letters", "replay", str(first))
    assert (again.exit_code, listed()) == (1, [second])
