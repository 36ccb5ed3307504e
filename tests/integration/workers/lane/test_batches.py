"""The lane on a real broker: everything once, whatever happens within a batch."""

import amqp
import pytest
from millrace import seal
from millrace.publishing.connection import broker_options
from millrace.publishing.sender import Sender
from sqlalchemy import select

from tests.integration.workers.lane.catalog import ParcelSeen
from tests.integration.workers.lane.parcels import amid_others, attempts, in_lane, noted, notes, processed, see
from tests.integration.workers.stack import Stack, until
from workers.outgoing import delayed
from workers.tables import inbox, outbox

EVENTS = 2000


@pytest.fixture(scope="module", autouse=True)
def _running(stack: Stack) -> None:
    """The worker, with a backlog that waits when it starts."""
    see(stack, *[f"many{number}" for number in range(EVENTS)])
    stack.start_worker("belt")


def test_each_event_once(stack: Stack) -> None:
    until(lambda: processed(stack, "many") == EVENTS, seconds=60, what="all of them")
    assert noted(stack, "many") == (EVENTS, EVENTS)
    until(lambda: stack.messages("belt") == 0, what="an empty queue")
    assert in_lane(stack, "many") == EVENTS
    assert "absorbed" not in stack.log("belt"), "each went one way only"


def test_one_that_comes_twice_is_absorbed(stack: Stack) -> None:
    """Published twice beside others, and once more in the same batch."""
    names = [f"twice{number}" for number in range(50)]
    see(stack, *names)
    see(stack, *names, *names, "after-twice")
    until(lambda: processed(stack, "after-twice") == 1, what="what came behind")
    until(lambda: stack.messages("belt") == 0, what="an empty queue")
    assert set(notes(stack, names).values()) == {1}
    assert stack.letters() == []


@pytest.mark.parametrize("how", ["raises", "breaks a statement", "changes too few rows"])
def test_one_that_fails_does_not_harm_its_batch(stack: Stack, how: str) -> None:
    """The others are committed by the lane; it has its attempts in the pool, and then its dead letter."""
    prefix = amid_others(stack, "belt", how)
    until(lambda: processed(stack, f"{prefix}-") == 60, what="the others")
    assert in_lane(stack, f"{prefix}-") == 60
    names = [f"{prefix}-{letter}{number}" for letter in "az" for number in range(30)]
    assert set(notes(stack, names).values()) == {1}
    assert stack.effects("belt", f"{prefix}-bad") == []
    assert attempts(stack, f"{prefix}-bad") == 2
    assert in_lane(stack, f"{prefix}-bad") == 0
    tried = [line for line in stack.log("belt").splitlines() if f'"{prefix}-bad"' in line and "in a batch" in line]
    assert len(tried) <= 1, "its second attempt comes from a delay, and goes to the pool at once"


def test_what_has_only_waited_runs_in_a_batch(stack: Stack) -> None:
    """Delayed until it was due, or because the store was out: nobody has begun it."""
    waiting = [seal(ParcelSeen(name=name), source="/web", id=name) for name in ("waited0", "waited1", "waited2")]
    sender = Sender(stack.url("group.belt"))
    try:
        for envelope in waiting:
            sender.send_one(delayed(envelope, "belt", seconds=1, generation=0, begun=False))
    finally:
        sender.close()
    until(lambda: processed(stack, "waited") == 3, what="all of them")
    assert in_lane(stack, "waited") == 3


def test_the_other_ends(stack: Stack) -> None:
    """Discarded, and with something published: both are outcomes of the lane."""
    see(stack, "other-discarded", how="is discarded")
    see(stack, "other-published", how="is published")
    until(lambda: stack.outcome("belt", "other-discarded") == "discarded", what="the discarded one")
    until(lambda: stack.outcome("belt", "other-published") == "processed", what="the one that publishes")
    assert in_lane(stack, "other-") == 2
    sent = select(outbox).where(outbox.c.type == "parcel.sorted")
    assert len(stack.rows(sent)) == 1
    assert stack.effects("belt", "other-discarded") == []


def test_the_same_id_with_another_payload_is_a_conflict(stack: Stack) -> None:
    see(stack, "conflict")
    until(lambda: processed(stack, "conflict") == 1, what="the first one")
    stack.start_keeper()
    see(stack, "conflict", how="is published")
    letter = until(stack.letters, what="its letter")[0]
    assert (letter.event_id, letter.cause) == ("conflict", "conflict")
    assert len(stack.effects("belt", "conflict")) == 1


@pytest.mark.parametrize("how", ["calls", "calls and swallows"])
def test_a_call_to_the_outside_is_made_once_and_not_from_a_batch(stack: Stack, how: str) -> None:
    """Its handler begins anew in the pool, where the intent is on record before the call.

    On a busy machine SQLite's disk may take longer than the handler's 0.2 s: what is interrupted between intent and
    outcome is not called again, but a dead letter.
    """
    names = [f"{how.replace(' ', '-')}{number}" for number in range(20)]
    see(stack, *names, how=how)

    def interrupted() -> set[str]:
        dead = select(inbox.c.event_id, inbox.c.error).where(
            inbox.c.event_id.in_(names), inbox.c.state == "dead-lettered"
        )
        found = {row.event_id: row.error for row in stack.rows(dead)}
        assert all("outcome unknown" in error for error in found.values())
        return set(found)

    until(lambda: processed(stack, names[0][:-1]) + len(interrupted()) == 20, seconds=60, what="all of them")
    assert in_lane(stack, names[0][:-1]) == 0
    calls = (stack.directory / "calls").read_text().split()
    assert {calls.count(name) for name in set(names) - interrupted()} == {1}
    assert max(calls.count(name) for name in names) == 1
    assert stack.count("fallback")[0] == 0


def test_what_was_delivered_before_does_not_run_in_a_batch(stack: Stack) -> None:
    """Its worker may have ended because of it."""
    stack.end("belt")
    names = [f"suspect{number}" for number in range(20)]
    see(stack, *names)
    with amqp.Connection(**broker_options(stack.url("group.belt"))) as connection:
        channel = connection.channel()
        for _ in names:
            until(lambda: channel.basic_get("belt", no_ack=False), what="a message")
    see(stack, "fresh")
    stack.start_worker("belt")
    until(lambda: processed(stack, "suspect") == 20, what="all of them")
    until(lambda: processed(stack, "fresh") == 1, what="the fresh one")
    assert (in_lane(stack, "suspect"), in_lane(stack, "fresh")) == (0, 1)
    assert set(notes(stack, names).values()) == {1}
