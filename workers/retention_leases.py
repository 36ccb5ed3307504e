"""What an inbox in a PostgreSQL of its own forgets: outcomes as old as DynamoDB's and Redis's time-to-live."""

from collections.abc import Callable
from functools import partial

import structlog
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, select

from workers.database import reading
from workers.retention_batches import in_batches
from workers.retention_removal import SETTLED, Step, groups_stored, remove_inbox
from workers.stores.opening import open_store
from workers.stores.sql import LeaseStore
from workers.stores.store import RETENTION_SECONDS

log = structlog.get_logger("millrace.retention")


def forget_leases(inbox_url: str | None, wait: Callable[[float], bool]) -> int:
    """Remove what is old from the inbox at a URL, if that is a PostgreSQL; the other stores do so themselves.

    Returns how many outcomes; raises Stopped when `wait(seconds)` is true.
    """
    store = None if inbox_url is None else open_store(inbox_url)
    if store is None:
        return 0
    try:
        return _forget(store, wait) if isinstance(store, LeaseStore) else 0
    finally:
        store.close()


def _forget(store: LeaseStore, wait: Callable[[float], bool]) -> int:
    with reading(store.engine) as connection:
        cutoff = float(connection.execute(select(store_now())).scalar_one()) - RETENTION_SECONDS
    removed = sum(
        in_batches(store.engine, "leases", partial(_step, group, state, cutoff), wait)
        for group in groups_stored(store.engine)
        for state in SETTLED
    )
    if removed:
        log.info("removed", leases=removed, seconds=RETENTION_SECONDS)
    return removed


def _step(group: str, state: str, cutoff: float, connection: Connection, position: float) -> Step:
    return remove_inbox(connection, group, state, cutoff, position, indexed_since=cutoff)
