"""Rows of a given age, and a round of the retention on them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from millrace import Catalog
from millrace.publishing.store_clock import store_now
from sqlalchemy import Engine, Table, delete, func, insert, inspect, select

from tests.integration.workers.sample_catalog import CATALOG
from workers.database import begin, connect, reading
from workers.letters import replay
from workers.migrate import migrate
from workers.retention import Round
from workers.retention_partitions import WEEK_SECONDS
from workers.tables import accepted, clearances, external_calls, inbox, letters, outbox, retention
from workers.verdicts import PROCESSED

DAYS = 30
DAY = 86_400.0
GROUP = "ledger"
OLD, YOUNG = -40 * DAY, -20 * DAY


@contextmanager
def migrated(url: str) -> Iterator[Engine]:
    """An engine on a database with all tables."""
    migrate(url)
    engine = connect(url)
    yield engine
    engine.dispose()


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


def weeks(engine: Engine) -> list[str]:
    """The partitions of weeks, oldest first."""
    return sorted(name for name in inspect(engine).get_table_names() if re.fullmatch(r"millrace_accepted_\d+", name))


def beginning(engine: Engine, seconds: float) -> int:
    """The beginning of the week that holds a time, in seconds from now."""
    with reading(engine) as connection:
        now = connection.execute(select(store_now())).scalar_one()
    return int((now + seconds) // WEEK_SECONDS * WEEK_SECONDS)


def replayed(engine: Engine, *ids: int) -> int:
    with begin(engine) as connection:
        return replay(connection, ids)
