"""What the retention removes on each store, and above all what it must not."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import amqp
import pytest
from millrace import Catalog
from millrace.derived import timing
from millrace.envelope import Envelope
from millrace.errors import DeclarationError
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, Table, delete, func, insert, inspect, select, text, update
from sqlalchemy.exc import NoResultFound

from tests.integration.workers.sample_catalog import CATALOG
from tests.postgres_server import fresh_database
from workers import retention_partitions, retention_removal
from workers.database import begin, connect, reading
from workers.inbox import (
    DEAD_LETTERED,
    DISCARDED,
    PROCESSED,
    RETRYING,
    RUNNING,
    Claim,
    Request,
    claim,
    complete,
)
from workers.letters import ReplayRefused, discard, replay
from workers.migrate import migrate
from workers.retention import Round, Stopped
from workers.retention_clearance import IN_HAND_SECONDS, look, reach
from workers.retention_partitions import WEEK_SECONDS, week_name
from workers.storing import Batch
from workers.storing import store as store_batch
from workers.tables import accepted, clearances, external_calls, inbox, letters, outbox, retention

DAYS = 30
DAY = 86_400.0
GROUP = "ledger"
OLD, YOUNG = -40 * DAY, -20 * DAY


@pytest.fixture(scope="module")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A migrated SQLite database."""
    with migrated(f"sqlite:///{tmp_path_factory.mktemp('store') / 'millrace.db'}") as engine:
        yield engine


@pytest.fixture(scope="module")
def postgres_store(postgres_url: str) -> Iterator[Engine]:
    """A migrated PostgreSQL database."""
    with fresh_database(postgres_url) as url, migrated(url) as engine:
        yield engine


@contextmanager
def migrated(url: str) -> Iterator[Engine]:
    """An engine on a database with all tables."""
    migrate(url)
    engine = connect(url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite_store", "postgres_store"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Empty tables, once on each store; the groups are clear: nothing sent before yesterday waits anywhere."""
    return emptied(request.getfixturevalue(request.param))


@pytest.fixture
def postgres(postgres_store: Engine) -> Engine:
    """Empty tables; the index of accepted events has no partition but the default one."""
    with begin(postgres_store) as connection:
        for name in weeks(postgres_store):
            connection.execute(text(f"DROP TABLE {name}"))
    return emptied(postgres_store)


def emptied(store: Engine) -> Engine:
    """The store without rows."""
    with begin(store) as connection:
        for table in (accepted, outbox, letters, inbox, external_calls, clearances):
            connection.execute(delete(table))
        connection.execute(delete(retention).where(retention.c.what.like("inbox/%")))
    for group in CATALOG.groups:
        clear(store, group.name, -DAY)
    return store


def clear(engine: Engine, group: str, seconds: float) -> None:
    """Say up to when a group is clear, in seconds from now."""
    now = store_now()
    row = {"clear_before": now + seconds, "next_clear_before": now, "next_seen_at": now}
    with begin(engine) as connection:
        connection.execute(insert(clearances).values(group_name=group, **row))


def add(engine: Engine, table: Table, **values: Any) -> None:
    """Add a row; times are given in seconds from now."""
    timed = {name: store_now() + value if name.endswith("_at") else value for name, value in values.items()}
    with begin(engine) as connection:
        connection.execute(insert(table).values(timed))


def add_inbox(engine: Engine, id_: str, age: float, *, state: str = PROCESSED, group: str = GROUP) -> None:
    more = {"fingerprint": "f", "attempts": 1, "generation": 0, "owner": "o", "fence": 1, "type": "order.placed"}
    times = {"due_at": age, "first_seen_at": age, "updated_at": age}
    add(engine, inbox, group_name=group, source="/s", event_id=id_, state=state, **more, **times)


def add_accepted(engine: Engine, id_: str, age: float) -> None:
    add(engine, accepted, source="/s", event_id=id_, type="order.placed", accepted_at=age)


def add_outbox(engine: Engine, id_: str, age: float, published: float | None) -> None:
    more = {"type": "t", "exchange": "in", "routing_key": "t", "content_type": "c", "headers": {}, "body": b"{}"}
    sent = {} if published is None else {"published_at": published}
    add(engine, outbox, event_id=id_, attempts=0, created_at=age, due_at=age, **more, **sent)


def add_letter(engine: Engine, id_: str, age: float, closed: float | None = None, **values: Any) -> int:
    row = {"kind": "dead", "group_name": GROUP, "source": "/s", "event_id": id_, "type": "t", "generation": 0}
    more = {"cause": "permanent", "attempts": 1, "headers": {}, "routing_key": "k", "body": b"{}"}
    state = {"state": "open"} if closed is None else {"state": "discarded", "closed_at": closed}
    key = f"{id_}-{age}-{closed}-{values}"
    add(engine, letters, **{**row, **more, **state, "letter_key": key[:64], "received_at": age, **values})
    with reading(engine) as connection:
        return int(connection.execute(select(func.max(letters.c.id))).scalar_one())


def run(engine: Engine, catalog: Catalog = CATALOG) -> dict[str, int]:
    """One round, without pauses."""
    return Round(engine, catalog, DAYS, lambda _seconds: False).run()


def left(engine: Engine, table: Table) -> set[str]:
    with reading(engine) as connection:
        return set(connection.execute(select(table.c.event_id)).scalars())


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


def looks(engine: Engine, ready: dict[str, int], *, declared: bool = False) -> tuple[float | None, float] | None:
    """Look at a group's queues; gives up to when it is clear and when the next look will count, from now on."""
    look(engine, {"new": declared}, ready.get)
    shown = (clearances.c.clear_before - store_now(), clearances.c.next_clear_before - store_now())
    with reading(engine) as connection:
        row = connection.execute(select(*shown).where(clearances.c.group_name == "new")).one_or_none()
    return None if row is None else (row[0], row[1])


def age_look(engine: Engine, seconds: float) -> None:
    """Let the last look be so long ago."""
    aged = {"next_seen_at": clearances.c.next_seen_at - seconds}
    with begin(engine) as connection:
        connection.execute(
            update(clearances).values(next_clear_before=clearances.c.next_clear_before - seconds, **aged)
        )


@pytest.mark.parametrize("queue", ["new", "dead.new", "parked"])
def test_a_queue_that_is_not_empty_says_nothing(engine: Engine, queue: str) -> None:
    assert looks(engine, {queue: 1}) is None


def test_a_declared_group_s_queue_that_is_not_found_says_nothing(engine: Engine) -> None:
    """It may be on a node that is down, and hold messages."""
    assert looks(engine, {"dead.new": 0, "parked": 0}, declared=True) is None
    assert looks(engine, {"dead.new": 0, "parked": 0, "new": 0}, declared=True) is not None


def test_a_queue_that_may_not_be_looked_at_says_nothing(engine: Engine) -> None:
    """RabbitMQ 4.3 refuses what is not declared; that a declared one is refused is trouble, and said."""

    def refused(queue: str) -> int:
        if queue == "gone":
            raise amqp.AccessRefused(queue)
        return 0

    look(engine, {"gone": False, "other": False}, refused)
    with reading(engine) as connection:
        seen = set(connection.execute(select(clearances.c.group_name)).scalars())
    assert ("gone" in seen, "other" in seen) == (False, True)
    with pytest.raises(amqp.AccessRefused):
        look(engine, {"gone": True}, refused)


def test_a_look_counts_when_it_is_a_day_old(engine: Engine) -> None:
    """Till then what was handed out may still be in a worker's hand."""
    first = looks(engine, {"new": 0})
    assert first is not None
    assert first[0] is None
    age_look(engine, IN_HAND_SECONDS / 2)
    second = looks(engine, {"new": 0})
    assert second is not None
    assert second[0] is None
    age_look(engine, IN_HAND_SECONDS / 2)
    third = looks(engine, {"new": 0})
    assert third is not None
    assert third[0] == pytest.approx(-IN_HAND_SECONDS, abs=60)
    assert third[1] == pytest.approx(0, abs=60)


def test_what_the_relay_may_send_again_is_not_clear(engine: Engine) -> None:
    add_outbox(engine, "waiting", OLD, None)
    found = looks(engine, {})
    assert found is not None
    assert found[1] == pytest.approx(OLD, abs=60)


def test_external_calls_go_with_their_row(engine: Engine) -> None:
    for id_, age in (("old", OLD), ("young", YOUNG)):
        add_inbox(engine, id_, age)
        call = {"group_name": GROUP, "source": "/s", "event_id": id_, "name": "mail", "provider_key": "k"}
        add(engine, external_calls, **call, state="done", updated_at=OLD)
    run(engine)
    assert left(engine, external_calls) == {"young"}


def test_many_batches(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that must stay are passed over, once per round."""
    monkeypatch.setattr(retention_removal, "BATCH", 7)
    for number in range(30):
        add_inbox(engine, f"i{number}", OLD - number)
        add_outbox(engine, f"o{number}", OLD, OLD if number % 3 else None)
        add_accepted(engine, f"a{number}", OLD)
        add_letter(engine, f"l{number}", OLD - DAY, OLD - DAY)
    add_letter(engine, "i29", OLD)
    with begin(engine) as connection:
        connection.execute(update(clearances).values(clear_before=store_now()))
    assert run(engine) == {"accepted": 30, "outbox": 20, "letters": 30, "inbox": 29}
    assert left(engine, inbox) == {"i29"}


def test_it_stops_between_batches(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_removal, "BATCH", 2)
    for number in range(5):
        add_accepted(engine, f"a{number}", OLD)
    with pytest.raises(Stopped):
        Round(engine, CATALOG, DAYS, lambda _seconds: True).run()
    assert len(left(engine, accepted)) == 3


def test_what_may_have_gone_is_on_record_before_it_goes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keeper that is killed in its round must not leave a replay in doubt."""
    monkeypatch.setattr(retention_removal, "BATCH", 1)
    add_inbox(engine, "gone", OLD - 1)
    add_inbox(engine, "still there", OLD)
    with pytest.raises(Stopped):
        Round(engine, CATALOG, DAYS, lambda _seconds: True).run()
    assert left(engine, inbox) == {"still there"}
    with pytest.raises(ReplayRefused):
        replayed(engine, add_letter(engine, "gone", OLD))


def test_two_at_once_remove_each_row_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_removal, "BATCH", 5)
    for number in range(60):
        add_inbox(engine, f"i{number}", OLD - number)
    totals: list[int] = []
    threads = [threading.Thread(target=lambda: totals.append(run(engine)["inbox"])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(totals), left(engine, inbox)) == (60, set())


def test_work_goes_on_while_it_removes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """New events are claimed and completed, late copies of old ones absorbed or, once those are forgotten, run."""
    monkeypatch.setattr(retention_removal, "BATCH", 5)
    for number in range(40):
        add_inbox(engine, f"old-{number}", OLD - number)

    def work(ids: list[str]) -> set[str]:
        verdicts = set()
        for id_ in ids:
            event = Envelope(id=id_, source="/s", type="order.placed")
            asked = {"group": GROUP, "fingerprint": "f", "generation": 0, "owner": "o", "lease_seconds": 60}
            try:
                with begin(engine) as connection:
                    verdict = claim(connection, Request(envelope=event, max_attempts=3, **asked))  # type: ignore[arg-type]
                    if isinstance(verdict, Claim):
                        complete(connection, verdict, PROCESSED, milliseconds=1.0)
            except NoResultFound:  # forgotten between two statements: a worker lets the delivery come again
                continue
            verdicts.add(type(verdict).__name__)
        return verdicts

    new = [f"new-{number}" for number in range(40)]
    with ThreadPoolExecutor(3) as pool:
        working = pool.submit(work, new)
        late = pool.submit(work, [f"old-{number}" for number in range(40)])
        removing = pool.submit(run, engine)
        assert working.result() == {"Claim"}
        assert late.result() <= {"Claim", "Duplicate"}
        assert removing.result()["inbox"] > 0
    assert left(engine, inbox) >= set(new)


def test_success_is_recorded(engine: Engine) -> None:
    with begin(engine) as connection:
        connection.execute(update(retention).values(succeeded_at=1.0))
    run(engine)
    with reading(engine) as connection:
        found = {row.what: row for row in connection.execute(select(retention, store_now().label("now")))}
    assert {"accepted", "outbox", "letters", "inbox"} <= found.keys()
    assert all(row.now - row.succeeded_at < 60 for row in found.values())


def replayed(engine: Engine, *ids: int) -> int:
    with begin(engine) as connection:
        return replay(connection, ids)


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


def weeks(engine: Engine) -> list[str]:
    """The partitions of weeks, oldest first."""
    return sorted(name for name in inspect(engine).get_table_names() if re.fullmatch(r"millrace_accepted_\d+", name))


def beginning(engine: Engine, seconds: float) -> int:
    """The beginning of the week that holds a time, in seconds from now."""
    with reading(engine) as connection:
        now = connection.execute(select(store_now())).scalar_one()
    return int((now + seconds) // WEEK_SECONDS * WEEK_SECONDS)


def test_a_week_is_dropped_when_all_in_it_is_old(postgres: Engine) -> None:
    """And not before: the week that the cutoff lies in stays as it is."""
    made = [week_name(beginning(postgres, -weeks_ago * 7 * DAY)) for weeks_ago in (7, 6)]
    for weeks_ago in (7, 6):
        retention_partitions._make(postgres, beginning(postgres, -weeks_ago * 7 * DAY))
    cut = week_name(beginning(postgres, -DAYS * DAY))
    retention_partitions._make(postgres, beginning(postgres, -DAYS * DAY))
    for number, weeks_ago in enumerate((7, 6, 6)):
        add_accepted(postgres, f"e{number}", beginning(postgres, -weeks_ago * 7 * DAY) - time.time() + 1)
    add_accepted(postgres, "cut", beginning(postgres, -DAYS * DAY) - time.time())
    assert set(weeks(postgres)) == {*made, cut}
    assert run(postgres)["accepted"] == 3
    assert set(weeks(postgres)) == {cut, *(week_name(beginning(postgres, ahead * 7 * DAY)) for ahead in range(4))}
    assert left(postgres, accepted) == {"cut"}


def test_a_week_that_the_default_partition_has_rows_of_is_not_made(postgres: Engine) -> None:
    """They are removed one by one when they are old; the next weeks are made."""
    add_accepted(postgres, "now", 0)
    assert run(postgres)["accepted"] == 0
    assert weeks(postgres) == [week_name(beginning(postgres, ahead * 7 * DAY)) for ahead in (1, 2, 3)]
    assert left(postgres, accepted) == {"now"}
    assert run(postgres)["accepted"] == 0


def test_what_is_held_by_an_accepted_event_of_a_week_to_be_dropped_goes(postgres: Engine) -> None:
    """The index may be a week longer than the retention; outcomes are not kept for that."""
    retention_partitions._make(postgres, beginning(postgres, -DAYS * DAY))
    add_accepted(postgres, "e", -DAYS * DAY - 60)
    add_inbox(postgres, "e", -DAYS * DAY - 3600)
    assert (run(postgres)["inbox"], left(postgres, accepted)) == (1, {"e"})


def test_an_event_is_indexed_once_whatever_partition_it_is_in(engine: Engine) -> None:
    row = {"source": "/s", "event_id": "e", "type": "order.placed"}
    add_accepted(engine, "e", YOUNG)
    for batch in ([row], [row, {**row, "event_id": "f"}, row]):
        with begin(engine) as connection:
            store_batch(connection, Batch(accepted=batch))
    with reading(engine) as connection:
        assert sorted(connection.execute(select(accepted.c.event_id)).scalars()) == ["e", "f"]


def test_two_that_index_at_once_index_once(postgres: Engine) -> None:
    row = {"source": "/s", "event_id": "e", "type": "order.placed"}
    done = threading.Event()

    def other() -> None:
        with begin(postgres) as connection:
            store_batch(connection, Batch(accepted=[row]))
        done.set()

    thread = threading.Thread(target=other)
    with begin(postgres) as connection:
        store_batch(connection, Batch(accepted=[row]))
        thread.start()
        assert not done.wait(0.3)
    thread.join()
    with reading(postgres) as connection:
        assert list(connection.execute(select(accepted.c.event_id)).scalars()) == ["e"]
