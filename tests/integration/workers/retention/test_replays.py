"""Letters whose row may be gone: replayed only where that cannot do an event twice."""

import pytest
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, update

from tests.integration.workers.retention.rows import DAY, OLD, YOUNG, add_inbox, add_letter, left, replayed, run
from workers.database import begin
from workers.letters import ReplayRefused, discard
from workers.tables import inbox, letters, outbox
from workers.verdicts import DEAD_LETTERED


def test_replaying_what_is_older_than_the_retention_is_refused(engine: Engine) -> None:
    """Its row may have gone: nobody can tell whether the event was handled."""
    add_inbox(engine, "other", OLD)
    old, young = add_letter(engine, "old", OLD), add_letter(engine, "young", YOUNG)
    run(engine)
    with pytest.raises(
        ReplayRefused, match=rf"letter {old} \(event old of /s, group ledger\) is older than the retention"
    ):
        replayed(engine, young, old)
    assert left(engine, outbox) == set()
    assert replayed(engine, young) == 1


def test_an_old_letter_whose_row_is_there_is_replayed(engine: Engine) -> None:
    """The row stays as long as the letter is open."""
    add_inbox(engine, "other", OLD)
    add_inbox(engine, "old", OLD, state=DEAD_LETTERED)
    old = add_letter(engine, "old", OLD)
    run(engine)
    assert replayed(engine, old) == 1


def test_a_conflict_whose_row_has_gone_is_refused(engine: Engine) -> None:
    """The event it conflicts with was handled; without its row the other payload would be handled, too."""
    add_inbox(engine, "twice", OLD)
    run(engine)
    conflict = add_letter(engine, "twice", 0, cause="conflict")
    with pytest.raises(ReplayRefused):
        replayed(engine, conflict)


def test_before_anything_was_removed_every_letter_may_be_replayed(engine: Engine) -> None:
    old = add_letter(engine, "old", OLD)
    assert replayed(engine, old) == 1


def test_a_replayed_letter_holds_its_row_until_the_replay_has_surely_come(engine: Engine) -> None:
    """A conflict's replay must find the row even if it is on its way for weeks."""
    add_inbox(engine, "e", OLD)
    letter = add_letter(engine, "e", OLD, cause="conflict")
    assert replayed(engine, letter) == 1
    run(engine)
    assert left(engine, inbox) == {"e"}
    with begin(engine) as connection:
        connection.execute(update(letters).values(closed_at=store_now() + OLD))
        connection.execute(update(outbox).values(created_at=store_now() + OLD - DAY))
    assert run(engine)["letters"] == 0, "the relay has not sent the replay yet"


def test_a_discarded_letter_goes_a_retention_after_it_was_closed(engine: Engine) -> None:
    letter = add_letter(engine, "e", OLD)
    with begin(engine) as connection:
        assert discard(connection, [letter]) == 1
    assert run(engine)["letters"] == 0
