"""Batches: small, stoppable, side by side with work and with each other."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from millrace.envelope import Envelope
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, update
from sqlalchemy.exc import NoResultFound

from tests.integration.workers.retention.rows import (
    DAY,
    DAYS,
    GROUP,
    OLD,
    add_accepted,
    add_inbox,
    add_letter,
    add_outbox,
    left,
    replayed,
    run,
)
from tests.integration.workers.sample_catalog import CATALOG
from workers import retention_removal
from workers.database import begin
from workers.inbox import claim, complete
from workers.letters import ReplayRefused
from workers.retention import Round
from workers.retention_batches import Stopped
from workers.tables import accepted, clearances, inbox
from workers.verdicts import PROCESSED, Claim, Request


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
