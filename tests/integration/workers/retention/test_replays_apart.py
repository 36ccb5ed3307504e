"""Letters of groups whose inbox lies apart: that store forgets, the copy of the outcome in the database stays."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Engine, select, update

from tests.integration.workers.retention.rows import GROUP, add_inbox, add_letter, migrated, replayed
from tests.integration.workers.stores.bench import BURIED, DONE_WELL, Bench, claimed
from tests.postgres_server import fresh_database
from workers.database import begin, reading
from workers.letters import CONFLICT, ReplayRefused
from workers.outgoing import Failure, event_letter
from workers.retention_clearance import IN_HAND_SECONDS
from workers.retention_leases import forget_leases
from workers.stores.opening import open_store
from workers.stores.settlement import Apart
from workers.stores.store import INTENDED, REPLAYABLE_SECONDS, RETENTION_SECONDS, InboxStore
from workers.tables import inbox, outbox
from workers.verdicts import DEAD_LETTERED, Conflict

CAUSES = ("permanent", CONFLICT)
FORGOTTEN, KEPT = RETENTION_SECONDS + 86_400, REPLAYABLE_SECONDS - 86_400


@pytest.fixture
def lease_engine(postgres_url: str) -> Iterator[Engine]:
    """An empty database of leases."""
    with fresh_database(postgres_url) as url, migrated(url) as made:
        yield made


@pytest.fixture
def leases(lease_engine: Engine) -> str:
    """Its URL."""
    return lease_engine.url.update_query_dict({"mode": "lease"}).render_as_string(hide_password=False)


@pytest.fixture
def store(leases: str) -> Iterator[InboxStore]:
    """The store there."""
    with closing(open_store(leases)) as made:
        yield made


@pytest.fixture
def bench(store: InboxStore) -> Bench:
    """A bench of the group whose letters are replayed."""
    return Bench(lambda: store, lambda: None, group=GROUP)


def make_older(*engines: Engine, seconds: float) -> None:
    """Let time pass for all outcomes."""
    for engine in engines:
        with begin(engine) as connection:
            connection.execute(update(inbox).values(updated_at=inbox.c.updated_at - seconds))


def buried_in_a_call(bench: Bench, engine: Engine) -> None:
    """A payment was begun, nobody knows its outcome, and the event `e` is a dead letter."""
    store = bench.open()
    held = claimed(store.claim(bench.request("e")))
    assert store.intend(held, "pay", "key") is None
    failure = Failure(cause="permanent", error="outcome unknown")
    letter = event_letter(held.request.envelope, GROUP, failure, generation=0, fingerprint="f")
    Apart(store, engine).bury(held, letter, BURIED)


def of_groups(engine: Engine) -> list[str]:
    """The replays that wait in the outbox."""
    with reading(engine) as connection:
        return list(connection.execute(select(outbox.c.event_id).where(outbox.c.exchange == "groups")).scalars())


def test_a_call_that_the_store_has_forgotten_is_not_made_again(
    engine: Engine, lease_engine: Engine, leases: str, bench: Bench
) -> None:
    """The row and the record of the call have gone, though the letter is open."""
    buried_in_a_call(bench, engine)
    letter = add_letter(engine, "e", -FORGOTTEN)
    make_older(engine, lease_engine, seconds=FORGOTTEN)
    assert forget_leases(leases, lambda _seconds: False) == 1
    with pytest.raises(ReplayRefused, match="its inbox row may have gone"):
        replayed(engine, letter)
    assert of_groups(engine) == []
    again = claimed(bench.open().claim(bench.request("e", generation=1)))
    assert bench.open().intend(again, "pay", "key") is None, "this is what the refusal prevents: a blind call"


def test_a_call_that_the_store_remembers_may_be_replayed(
    engine: Engine, lease_engine: Engine, leases: str, bench: Bench
) -> None:
    """As long as a letter may be replayed, and a fortnight longer."""
    buried_in_a_call(bench, engine)
    letter = add_letter(engine, "e", -KEPT)
    make_older(engine, lease_engine, seconds=KEPT)
    assert replayed(engine, letter) == 1
    assert of_groups(engine) == ["e"]
    make_older(lease_engine, seconds=RETENTION_SECONDS - KEPT - 60)
    assert forget_leases(leases, lambda _seconds: False) == 0
    again = claimed(bench.open().claim(bench.request("e", generation=1)))
    call = bench.open().intend(again, "pay", "key")
    assert call is not None
    assert call.state == INTENDED


def test_another_payload_is_not_handled_once_the_first_is_forgotten(
    engine: Engine, lease_engine: Engine, leases: str, bench: Bench
) -> None:
    """The letter of a conflict is younger than the outcome that it is about, which has its own age."""
    store = bench.open()
    held = claimed(store.claim(bench.request("e")))
    Apart(store, engine).complete(held, None, DONE_WELL)
    other = bench.request("e", fingerprint="other")
    assert store.claim(other) == Conflict()
    letter = add_letter(engine, "e", -10, cause=CONFLICT)
    make_older(engine, lease_engine, seconds=FORGOTTEN)
    assert forget_leases(leases, lambda _seconds: False) == 1
    with pytest.raises(ReplayRefused):
        replayed(engine, letter)
    claimed(store.claim(other))  # this is what the refusal prevents


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize(("age", "there"), [(REPLAYABLE_SECONDS + 60, False), (REPLAYABLE_SECONDS - 60, True)])
def test_a_copy_counts_for_as_long_as_every_store_remembers(
    engine: Engine, cause: str, age: float, there: bool
) -> None:
    add_inbox(engine, "e", -age, state=DEAD_LETTERED)
    with begin(engine) as connection:
        connection.execute(update(inbox).values(fence=-1))
    letter = add_letter(engine, "e", -age, cause=cause)
    if there:
        assert replayed(engine, letter) == 1
    else:
        with pytest.raises(ReplayRefused):
            replayed(engine, letter)


@pytest.mark.parametrize("cause", CAUSES)
def test_a_row_that_is_no_copy_counts_however_old(engine: Engine, cause: str) -> None:
    add_inbox(engine, "e", -2 * FORGOTTEN, state=DEAD_LETTERED)
    assert replayed(engine, add_letter(engine, "e", -2 * FORGOTTEN, cause=cause)) == 1


def test_what_is_left_is_longer_than_a_clock_can_be_behind() -> None:
    """DynamoDB's time is that of the claim, up to a lease before the outcome."""
    assert RETENTION_SECONDS - REPLAYABLE_SECONDS > IN_HAND_SECONDS
