"""What the retention removes on each store, and above all what it must not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from millrace.derived import timing
from millrace.errors import DeclarationError
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, select, update

from tests.integration.workers.retention.rows import (
    DAY,
    GROUP,
    OLD,
    YOUNG,
    add,
    add_accepted,
    add_inbox,
    add_letter,
    add_outbox,
    clear,
    left,
    run,
)
from tests.integration.workers.sample_catalog import CATALOG
from workers import retention_removal
from workers.database import begin, reading
from workers.retention_clearance import IN_HAND_SECONDS, reach
from workers.tables import accepted, clearances, external_calls, inbox, letters, outbox, retention
from workers.verdicts import DEAD_LETTERED, DISCARDED, PROCESSED, RETRYING, RUNNING


def test_what_is_old_goes_and_what_is_young_stays(engine: Engine) -> None:
    for id_, age in (("old", OLD), ("young", YOUNG)):
        for state in (PROCESSED, DISCARDED, DEAD_LETTERED):
            add_inbox(engine, f"{id_}-{state}", age, state=state)
        add_accepted(engine, f"{id_}-a", age)
        add_outbox(engine, f"{id_}-o", age, age)
        add_letter(engine, f"{id_}-l", age, age)
    assert run(engine) == {"accepted": 1, "outbox": 1, "letters": 1, "inbox": 3}
    assert left(engine, inbox) == {f"young-{state}" for state in (PROCESSED, DISCARDED, DEAD_LETTERED)}
    assert (left(engine, accepted), left(engine, outbox), left(engine, letters)) == (
        {"young-a"},
        {"young-o"},
        {"young-l"},
    )
    assert run(engine) == {"accepted": 0, "outbox": 0, "letters": 0, "inbox": 0}


@pytest.mark.parametrize("state", [RUNNING, RETRYING])
def test_what_has_no_outcome_stays_however_old(engine: Engine, state: str) -> None:
    add_inbox(engine, "e", OLD * 10, state=state)
    assert run(engine)["inbox"] == 0
    with begin(engine) as connection, pytest.raises(ValueError, match="state must be one of processed"):
        retention_removal.remove_inbox(connection, GROUP, state, 0.0, 0.0, indexed_since=0.0)


def test_unpublished_rows_and_open_letters_stay_however_old(engine: Engine) -> None:
    add_outbox(engine, "waiting", OLD, None)
    add_outbox(engine, "sent late", OLD, YOUNG)
    add_letter(engine, "open", OLD)
    assert run(engine) == {"accepted": 0, "outbox": 0, "letters": 0, "inbox": 0}


def test_a_row_whose_event_has_a_letter_stays(engine: Engine) -> None:
    """Of whatever group and kind: a parked one may be released to every group."""
    for id_ in ("open", "closed", "parked", "none"):
        add_inbox(engine, id_, OLD)
    add_letter(engine, "open", OLD)
    add_letter(engine, "closed", OLD, YOUNG)
    add_letter(engine, "parked", OLD, kind="parked", group_name=None)
    assert run(engine)["inbox"] == 1
    assert left(engine, inbox) == {"open", "closed", "parked"}


def test_a_row_outlives_the_index_of_its_event(engine: Engine) -> None:
    """Else the reconciliation would miss an outcome that there was."""
    add_inbox(engine, "e", OLD)
    add_accepted(engine, "e", YOUNG)
    assert run(engine)["inbox"] == 0


def test_a_group_whose_queue_was_never_seen_empty_keeps_its_rows(engine: Engine) -> None:
    add_inbox(engine, "old", OLD, group="unseen")
    add_inbox(engine, "older", 2 * OLD, group="unseen")
    assert run(engine)["inbox"] == 0
    clear(engine, "unseen", -DAY)
    assert run(engine)["inbox"] == 1
    assert left(engine, inbox) == {"old"}, "a group that the catalog has no more may have used the longest delay"


def test_a_group_that_nobody_works_off_keeps_what_came_since(engine: Engine) -> None:
    """A copy of the event may wait in its queue behind others."""
    with begin(engine) as connection:
        connection.execute(update(clearances).values(clear_before=store_now() + OLD))
    add_inbox(engine, "before", OLD - DAY)
    add_inbox(engine, "just before", OLD - reach(CATALOG.group(GROUP)) / 2)
    add_inbox(engine, "since", OLD + DAY)
    assert run(engine)["inbox"] == 1
    assert left(engine, inbox) == {"just before", "since"}


def test_external_calls_go_with_their_row(engine: Engine) -> None:
    for id_, age in (("old", OLD), ("young", YOUNG)):
        add_inbox(engine, id_, age)
        call = {"group_name": GROUP, "source": "/s", "event_id": id_, "name": "mail", "provider_key": "k"}
        add(engine, external_calls, **call, state="done", updated_at=OLD)
    run(engine)
    assert left(engine, external_calls) == {"young"}


def test_success_is_recorded(engine: Engine) -> None:
    with begin(engine) as connection:
        connection.execute(update(retention).values(succeeded_at=1.0))
    run(engine)
    with reading(engine) as connection:
        found = {row.what: row for row in connection.execute(select(retention, store_now().label("now")))}
    assert {"accepted", "outbox", "letters", "inbox"} <= found.keys()
    assert all(row.now - row.succeeded_at < 60 for row in found.values())


def test_a_day_is_longer_than_any_lease() -> None:
    slowest = replace(CATALOG.group(GROUP), longest_runtime=timedelta(hours=12))
    with pytest.raises(DeclarationError):
        replace(slowest, longest_runtime=timedelta(hours=12, seconds=1))
    assert timing(slowest).lease < IN_HAND_SECONDS


def test_reach_covers_the_longest_retry() -> None:
    group = CATALOG.group(GROUP)
    longest = max(group.retry.delay_after(100) for _ in range(100))
    assert reach(group) > longest
    retry = replace(group.retry, longest_delay=timedelta(days=1), factor=100, jitter=0.5)
    slow = replace(group, retry=retry)
    assert max(retry.delay_after(100) for _ in range(100)) > 1.2 * 86_400
    assert reach(slow) > 1.5 * 86_400
