"""The index of accepted events, by weeks on PostgreSQL."""

import threading
import time

from sqlalchemy import Engine, select

from tests.integration.workers.retention.rows import (
    DAY,
    DAYS,
    YOUNG,
    add_accepted,
    add_inbox,
    beginning,
    left,
    run,
    weeks,
)
from workers import retention_partitions
from workers.database import begin, reading
from workers.retention_partitions import week_name
from workers.storing import Batch
from workers.storing import store as store_batch
from workers.tables import accepted


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
