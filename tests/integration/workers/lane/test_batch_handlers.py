"""Handlers that take many events at once."""

import pytest
from sqlalchemy import select

from tests.integration.workers.lane.catalog import ParcelWeighed
from tests.integration.workers.lane.parcels import in_lane, noted, processed, see
from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stack import Stack, until

EVENTS = 500


@pytest.fixture(scope="module", autouse=True)
def _running(stack: Stack) -> None:
    """The worker, with a backlog that waits when it starts, some of it twice."""
    names = [f"weigh{number}" for number in range(EVENTS)]
    see(stack, *names, *names[::10], what=ParcelWeighed)
    stack.start_worker("belt")


def test_each_event_once_and_many_at_a_time(stack: Stack) -> None:
    until(lambda: processed(stack, "weigh") == EVENTS, what="all of them")
    until(lambda: stack.messages("belt") == 0, what="an empty queue")
    assert noted(stack, "weigh") == (EVENTS, EVENTS)
    calls = [row.attempt for row in stack.rows(select(effects).where(effects.c.order_id == "calls"))]
    assert sum(calls) == EVENTS
    assert max(calls) > 10
    assert in_lane(stack, "weigh") == EVENTS


@pytest.mark.parametrize("how", ["raises", "breaks a statement"])
def test_one_that_fails_does_not_harm_the_others(stack: Stack, how: str) -> None:
    """The handler is called with fewer and fewer, until the one that fails is alone; that one goes to the pool."""
    prefix = how.replace(" ", "-")
    see(stack, *[f"{prefix}-a{number}" for number in range(30)], what=ParcelWeighed)
    see(stack, f"{prefix}-bad", how=how, what=ParcelWeighed)
    see(stack, *[f"{prefix}-z{number}" for number in range(30)], what=ParcelWeighed)
    until(lambda: stack.outcome("belt", f"{prefix}-bad") == "dead-lettered", what="its end")
    until(lambda: processed(stack, f"{prefix}-") == 60, what="the others")
    assert noted(stack, f"{prefix}-") == (60, 60)
    assert in_lane(stack, f"{prefix}-") == 60
    assert stack.effects("belt", f"{prefix}-bad") == []


def test_an_event_that_is_on_record_is_left_out(stack: Stack) -> None:
    """What the handler did with it is not kept: it is called again without it."""
    see(stack, "known", what=ParcelWeighed)
    until(lambda: processed(stack, "known") == 1, what="the first time")
    see(stack, "known-a", "known", "known-z", what=ParcelWeighed)
    until(lambda: processed(stack, "known") == 3, what="the others")
    until(lambda: stack.messages("belt") == 0, what="an empty queue")
    assert noted(stack, "known") == (3, 3)
