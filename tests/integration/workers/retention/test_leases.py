"""An inbox in a PostgreSQL of its own forgets outcomes after as long as the other stores apart, and nothing else."""

import pytest
from sqlalchemy import Engine, select

from tests.integration.workers.retention.rows import add, add_inbox, left
from workers.database import reading
from workers.retention_batches import Stopped
from workers.retention_leases import forget_leases
from workers.stores.store import RETENTION_SECONDS
from workers.tables import external_calls, inbox
from workers.verdicts import DEAD_LETTERED, DISCARDED, PROCESSED, RETRYING, RUNNING

OLDER, YOUNGER = -RETENTION_SECONDS - 60, -RETENTION_SECONDS + 60
#: A group that no catalog has.
FORGOTTEN = "forgotten"


@pytest.fixture
def leases(postgres: Engine) -> str:
    """The URL of an empty lease store."""
    return postgres.url.update_query_dict({"mode": "lease"}).render_as_string(hide_password=False)


def never(_seconds: float) -> bool:
    return False


def test_old_outcomes_go_of_every_group(postgres: Engine, leases: str) -> None:
    for state in (PROCESSED, DISCARDED, DEAD_LETTERED, RUNNING, RETRYING):
        add_inbox(postgres, f"old {state}", OLDER, state=state, group=FORGOTTEN)
        add_inbox(postgres, f"young {state}", YOUNGER, state=state)
    assert forget_leases(leases, never) == 3
    young = {f"young {state}" for state in (PROCESSED, DISCARDED, DEAD_LETTERED, RUNNING, RETRYING)}
    assert left(postgres, inbox) == young | {f"old {RUNNING}", f"old {RETRYING}"}


def test_their_external_calls_go_too(postgres: Engine, leases: str) -> None:
    for id_, age in (("old", OLDER), ("young", YOUNGER)):
        add_inbox(postgres, id_, age, group=FORGOTTEN)
        call = {"group_name": FORGOTTEN, "source": "/s", "event_id": id_, "name": "mail", "provider_key": "k"}
        add(postgres, external_calls, **call, state="done", updated_at=age)
    forget_leases(leases, never)
    with reading(postgres) as connection:
        assert connection.execute(select(external_calls.c.event_id)).scalars().all() == ["young"]


def test_it_stops_between_batches(postgres: Engine, leases: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.retention_removal.BATCH", 1)
    for number in range(3):
        add_inbox(postgres, f"old {number}", OLDER)
    with pytest.raises(Stopped):
        forget_leases(leases, lambda _seconds: True)
    assert len(left(postgres, inbox)) == 2


@pytest.mark.parametrize("url", [None, "redis://127.0.0.1:1/0"])
def test_other_stores_are_left_alone(url: str | None) -> None:
    assert forget_leases(url, never) == 0
