"""A group whose lane keeps no record: nothing is lost, and what comes twice runs twice."""

from collections.abc import Sequence
from functools import partial

import pytest
from sqlalchemy import select

from tests.integration.workers.lane import parcels
from tests.integration.workers.lane.catalog import ParcelGauged
from tests.integration.workers.lane.parcels import amid_others, attempts, see
from tests.integration.workers.stack import Stack, kill_tree, until
from workers.tables import inbox, outbox

EVENTS = 3000


@pytest.fixture(scope="module", autouse=True)
def _running(stack: Stack) -> None:
    """The worker."""
    stack.start_worker("gauge")


def gauged(stack: Stack, *names: str, how: str = "well") -> None:
    """Publish these."""
    see(stack, *names, how=how, what=ParcelGauged)


noted = partial(parcels.noted, who="gauge")


def recorded(stack: Stack, prefix: str) -> Sequence[str]:
    """The ids that are in the inbox."""
    mine = inbox.c.group_name == "gauge", inbox.c.event_id.startswith(prefix)
    return [row.event_id for row in stack.rows(select(inbox.c.event_id).where(*mine))]


def settled(stack: Stack) -> None:
    """Wait until all is acked."""
    until(lambda: stack.messages("gauge") == 0, what="an empty queue")


def test_effects_are_there_and_no_record(stack: Stack) -> None:
    gauged(stack, *[f"well{number}" for number in range(300)])
    until(lambda: noted(stack, "well") == (300, 300), what="all of them")
    settled(stack)
    assert recorded(stack, "well") == []
    outcomes = [line for line in stack.log("gauge").splitlines() if '"id":"well' in line and "processed" in line]
    assert len(outcomes) == 300


def test_a_copy_runs_again(stack: Stack) -> None:
    gauged(stack, "copy")
    until(lambda: noted(stack, "copy") == (1, 1), what="the first run")
    gauged(stack, "copy")
    until(lambda: noted(stack, "copy") == (2, 1), what="the second run")
    settled(stack)
    assert (recorded(stack, "copy"), stack.letters()) == ([], [])


def test_what_leaves_nothing_needs_no_database(stack: Stack) -> None:
    gauged(stack, *[f"none{number}" for number in range(50)], how="leaves nothing")
    gauged(stack, "behind")
    until(lambda: noted(stack, "behind") == (1, 1), what="what came behind")
    settled(stack)
    assert len((stack.directory / "gauged").read_text().split()) == 50
    assert recorded(stack, "none") == []


def test_what_is_published_has_the_same_id_each_time(stack: Stack) -> None:
    """So that those who take it absorb the second."""
    for times in (1, 2):
        gauged(stack, "out", how="is published")
        until(lambda times=times: noted(stack, "out") == (times, 1), what="its run")  # type: ignore[misc]
    ids = [row.event_id for row in stack.rows(select(outbox.c.event_id).where(outbox.c.type == "parcel.sorted"))]
    assert len(ids) == 2
    assert len(set(ids)) == 1


@pytest.mark.parametrize("how", ["raises", "breaks a statement"])
def test_one_that_fails_has_its_attempts_and_its_letter(stack: Stack, how: str) -> None:
    """The others of its batch are not harmed, and leave no record."""
    prefix = amid_others(stack, "gauge", how, ParcelGauged)
    settled(stack)
    assert noted(stack, prefix) == (60, 60)
    assert recorded(stack, prefix) == [f"{prefix}-bad"]
    assert attempts(stack, f"{prefix}-bad") == 2


def test_nothing_is_lost_when_the_worker_is_killed(stack: Stack) -> None:
    """Some run again, in the pool, where they are recorded."""
    names = [f"killed{number}" for number in range(EVENTS)]
    gauged(stack, *names)
    until(lambda: noted(stack, "killed")[1] > 100, what="some of them")
    kill_tree(stack.processes["gauge"].pid)
    stack.processes["gauge"].wait(10)
    stack.start_worker("gauge")
    until(lambda: noted(stack, "killed")[1] == EVENTS, seconds=60, what="all of them")
    settled(stack)
    assert {letter.event_id for letter in stack.letters()}.isdisjoint(names)
