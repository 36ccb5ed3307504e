"""When a worker has been given nothing for so long that it must be taken for lost."""

import pytest

from workers.liveness import Liveness, Look

PREFETCH = 2
PATIENCE = 15.0
LONGEST_TASK = 100.0
STEP = 5.0
LONG = 10_000.0

Story = tuple[int, int, int, frozenset[int]]
NONE: frozenset[int] = frozenset()


def verdict(*looks: Story, then: Story, lasting: float) -> tuple[str | None, float]:
    """What is said after some looks and one that stays the same, and when."""
    liveness = Liveness(prefetch=PREFETCH, longest_task=LONGEST_TASK, patience=PATIENCE)
    at, since = 1_000.0, 0.0
    for number, (waiting, consumers, came, in_hand) in enumerate((*looks, *[then] * (int(lasting / STEP) + 1))):
        at += STEP
        since = at if number == len(looks) else since
        found = liveness.trouble(Look(at=at, waiting=waiting, consumers=consumers, came=came, in_hand=in_hand))
        if found is not None:
            return found, at - since
    return None, at - since


@pytest.mark.parametrize(
    ("then", "lasting"),
    [
        pytest.param((0, 1, 0, NONE), LONG, id="an empty queue"),
        pytest.param((9, 1, 5, frozenset({1, 2})), LONGEST_TASK - 2 * STEP, id="all its processes at work"),
        pytest.param((9, 1, 0, NONE), PATIENCE - 2 * STEP, id="nothing given for a moment"),
        pytest.param((0, 0, 0, NONE), PATIENCE - 2 * STEP, id="no consumer for a moment"),
    ],
)
def test_a_worker_that_is_well(then: Story, lasting: float) -> None:
    assert verdict((0, 1, 0, NONE), then=then, lasting=lasting)[0] is None


@pytest.mark.parametrize(
    ("then", "reason", "after"),
    [
        pytest.param((0, 0, 0, NONE), "knows no consumer", PATIENCE, id="no consumer"),
        pytest.param((9, 1, 0, NONE), "9 messages wait and none is delivered", PATIENCE, id="given nothing"),
        pytest.param((9, 3, 0, frozenset({1})), "none is delivered", PATIENCE, id="one process free, given nothing"),
        pytest.param((0, 1, 0, frozenset({1})), "1 tasks in hand", LONGEST_TASK, id="a task that does not end"),
        pytest.param((9, 1, 0, frozenset({1, 2})), "2 tasks in hand", LONGEST_TASK, id="a pool that takes none"),
    ],
)
def test_a_worker_that_does_not_consume(then: Story, reason: str, after: float) -> None:
    found, seconds = verdict((0, 1, 0, NONE), then=then, lasting=LONG)
    assert found is not None
    assert reason in found
    assert after - STEP <= seconds <= after + STEP


def test_messages_that_come_and_go_are_signs_of_life() -> None:
    busy = [(9, 1, number, frozenset({number})) for number in range(1, 100)]
    assert verdict(*busy, then=(0, 1, 99, NONE), lasting=PATIENCE)[0] is None
