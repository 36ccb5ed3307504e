"""Mutated messages: what is called bad is refused, what is called odd is a good event, and no two are the same."""

import json
import random
from typing import Any

import pytest
from millrace.errors import InvalidEvent

from operations.faults.mutations import BODIES, LARGE_BYTES, Mutant, bad, event, odd
from operations.faults.sample import CATALOG, Begun
from workers.received import Delivery, receive, trusted_users

MANY = 3_000


def delivery(mutant: Mutant) -> Delivery:
    """The message as a worker gets it."""
    properties: dict[str, Any] = dict(mutant.properties)
    content_type = properties.pop("content_type", None)
    return Delivery(body=mutant.body, content_type=content_type, headers=mutant.headers, properties=properties)


def taken(mutant: Mutant) -> bool:
    """Whether the guard's check accepts it."""
    try:
        receive(delivery(mutant), CATALOG, trusted_users(CATALOG, "v"))
    except InvalidEvent:
        return False
    return True


def test_bad_ones_are_refused_and_unlike_each_other() -> None:
    """But for those whose compression or properties the consumer refuses before it comes to the body."""
    rng = random.Random(1)
    made = [bad(rng, "s", Begun.event_type) for _ in range(MANY)]
    earlier = [each for each in made if "compression" in each.headers or "correlation_id" in each.properties]
    assert not [each for each in made if each not in earlier and taken(each)]
    assert 0 < len(earlier) < MANY / 5
    assert len({each.body for each in made}) == MANY


def test_odd_ones_are_taken_for_the_event_that_they_are() -> None:
    """Whatever their content type, headers and white space."""
    rng = random.Random(2)
    for number in range(MANY // 10):
        received = receive(delivery(odd(rng, f"s{number}", Begun.event_type)), CATALOG, frozenset())
        assert received.payload == Begun(subject=f"s{number}")
        assert (received.envelope.id, received.generation) == (f"s{number}", 0)


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_each_mutation_alone_spoils_a_good_event(number: int) -> None:
    """So that none of them is only bad because of what came with it."""
    rng = random.Random(number)
    raw = Mutant(body=json.dumps(event("m" * 32, "s", Begun.event_type)).encode())
    assert taken(raw)
    for _ in range(50):
        assert not taken(Mutant(body=BODIES[number](raw.body, rng)))


def test_a_large_one_is_larger_than_any_event() -> None:
    """Ten MiB, of white space behind a good event."""
    assert len(bad(random.Random(1), "s", Begun.event_type, large=True).body) > LARGE_BYTES


def test_the_same_seed_makes_the_same_messages() -> None:
    """A run can be repeated."""
    one, other = (bad(random.Random(7), "s", Begun.event_type) for _ in range(2))
    assert one == other
