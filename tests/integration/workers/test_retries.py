"""Failing handlers: retries, attempts, dead letters, replay."""

import signal
import subprocess
import sys
from functools import partial

import pytest
from sqlalchemy import select

from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.stack import ROOT, Stack, until
from workers.database import begin
from workers.letters import replay
from workers.tables import inbox, letters


@pytest.fixture
def stack(fleet: Stack) -> Stack:
    """All groups' workers, relay and keeper."""
    return fleet


def publish(stack: Stack, how: str, id_: str) -> str:
    """Publish an order that is to be handled in some way."""
    with stack.publisher() as publisher:
        return publisher.publish(OrderPlaced(order_id=id_, how=how), id=id_)


def letter_of(stack: Stack, id_: str) -> object:
    """The open dead letter of an event, once it is there."""
    return until(lambda: [row for row in stack.letters() if row.event_id == id_], what=f"letter of {id_}")[0]


def test_third_time_lucky(stack: Stack) -> None:
    """Two failures, each followed by the declared second; the other groups ran once."""
    publish(stack, "third time", "lucky")
    until(lambda: stack.outcome("flaky", "lucky") == "processed", what="flaky's success")
    rows = stack.rows(select(inbox).where(inbox.c.group_name == "flaky", inbox.c.event_id == "lucky"))
    assert rows[0].attempts == 3
    waited = rows[0].updated_at - rows[0].first_seen_at
    assert 2.0 <= waited <= 4.0
    assert [row.attempt for row in stack.effects("flaky", "lucky")] == [3]
    for group in ("ledger", "fragile"):
        until(partial(stack.outcome, group, "lucky"), what=f"{group}'s outcome")
        assert len(stack.effects(group, "lucky")) == 1


def test_dead_letter_then_replay_once(stack: Stack) -> None:
    """Out of attempts: a dead letter with cause, stack and bytes; after the fix replay does it once, however often."""
    publish(stack, "once fixed", "to-fix")
    letter = letter_of(stack, "to-fix")
    assert letter.cause == "attempts exhausted"  # type: ignore[attr-defined]
    assert letter.attempts == 3  # type: ignore[attr-defined]
    assert 'raise RuntimeError("broken till fixed")' in letter.stack  # type: ignore[attr-defined]
    assert stack.outcome("flaky", "to-fix") == "dead-lettered"
    (stack.directory / "fixed").touch()
    with stack.engine() as engine:
        with begin(engine) as connection:
            assert replay(connection, [letter.id]) == 1  # type: ignore[attr-defined]
        with begin(engine) as connection:
            assert replay(connection, [letter.id]) == 0  # type: ignore[attr-defined]
    until(lambda: stack.outcome("flaky", "to-fix") == "processed", what="the replayed event's success")
    assert len(stack.effects("flaky", "to-fix")) == 1
    assert len(stack.effects("ledger", "to-fix")) == 1


def test_permanent_failure_is_not_tried_again(stack: Stack) -> None:
    """A handler that says so gets one attempt."""
    publish(stack, "never", "never")
    letter = letter_of(stack, "never")
    assert (letter.cause, letter.attempts) == ("permanent", 1)  # type: ignore[attr-defined]


def test_discarded_is_an_outcome(stack: Stack) -> None:
    """A handler that has nothing to do leaves an outcome and no effect."""
    publish(stack, "not at all", "nothing")
    until(lambda: stack.outcome("ledger", "nothing") == "discarded", what="the outcome")
    assert stack.effects("ledger", "nothing") == []


def test_segfault_is_counted_and_ends(stack: Stack) -> None:
    """A child that dies is an attempt; the next ones come when its lease is over, and after the last a letter."""
    rows = lambda: [row for row in stack.letters() if row.event_id == "segfault"]  # noqa: E731
    letter = until(rows, seconds=60, what="the crash's letter")[0]
    assert (letter.cause, letter.attempts) == ("attempts exhausted", 2)
    until(lambda: stack.outcome("fragile", "segfault-once") == "processed", seconds=40, what="the second attempt")
    assert [row.attempt for row in stack.effects("fragile", "segfault once")] == [2]
    assert stack.processes["fragile"].poll() is None


def test_replay_cut_before_its_commit_does_nothing(stack: Stack) -> None:
    """A replay that is killed in the middle leaves the letter open and publishes nothing."""
    publish(stack, "never", "cut")
    letter = letter_of(stack, "cut")
    program = (
        "import os, sys; from workers.database import begin, connect; from workers.letters import replay\n"
        "with begin(connect(sys.argv[1])) as connection:\n"
        "    replay(connection, [int(sys.argv[2])]); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", program, stack.database_url, str(letter.id)]  # type: ignore[attr-defined]
    assert subprocess.run(command, check=False, cwd=ROOT).returncode == -signal.SIGKILL
    state = stack.rows(select(letters.c.state).where(letters.c.event_id == "cut"))[0].state
    assert state == "open"
