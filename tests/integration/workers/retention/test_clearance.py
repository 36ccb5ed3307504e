"""Up to when a group is clear: nothing sent before waits anywhere."""

import amqp
import pytest
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, select, update

from tests.integration.workers.retention.rows import OLD, add_outbox
from workers.database import begin, reading
from workers.retention_clearance import IN_HAND_SECONDS, look
from workers.tables import clearances


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
