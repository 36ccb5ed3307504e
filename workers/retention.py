"""The retention: a thread of the keeper that forgets what is older than the stack keeps (decision 0405).

Store time only. Small transactions with pauses: it takes a twentieth of one connection's time at most. Two keepers at
once do no harm: each removes what the other has not.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from millrace.declarations import Catalog
from millrace.publishing.store_clock import store_now
from sqlalchemy import Connection, Engine, case, func, select

from workers.database import begin, connect, insert_into, reading
from workers.reconciliation import note_addressed
from workers.retention_batches import Stopped, in_batches
from workers.retention_clearance import asking, look, reach
from workers.retention_leases import forget_leases
from workers.retention_partitions import drop_weeks, make_weeks
from workers.retention_removal import (
    SETTLED,
    Step,
    groups_stored,
    of_inbox,
    remove_accepted,
    remove_inbox,
    remove_letters,
    remove_outbox,
)
from workers.settings import Settings
from workers.tables import clearances, outbox, retention

log = structlog.get_logger("millrace.retention")

ROUND_SECONDS = 600.0
#: After trouble.
AGAIN_SECONDS = 60.0
#: How long the keeper's end waits for the batch in hand; cut off, it is rolled back.
STOP_SECONDS = 5.0
#: How long it waits for another's lock before it gives way.
PATIENCE_SECONDS = 1.0
DAY_SECONDS = 86_400.0


@contextmanager
def retaining(settings: Settings) -> Iterator[None]:
    """Run the retention in a thread of its own as long as the block runs."""
    stopping = threading.Event()
    thread = threading.Thread(target=_keep_on, args=(settings, stopping), name="retention", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(STOP_SECONDS)


def _keep_on(settings: Settings, stopping: threading.Event) -> None:
    catalog = settings.load_catalog()
    while not stopping.is_set():
        pause = ROUND_SECONDS
        try:
            _look_and_remove(settings, catalog, stopping)
        except Stopped:
            return
        except Exception as error:  # whatever it is, the next round may do better; alerts tell if none does
            pause = AGAIN_SECONDS
            log.warning("trouble", service="retention", error=f"{type(error).__name__}: {error}"[:500], again_in=pause)
        stopping.wait(pause)


def _look_and_remove(settings: Settings, catalog: Catalog, stopping: threading.Event) -> None:
    engine = connect(settings.database_url, patience=PATIENCE_SECONDS)
    try:
        note_addressed(engine, catalog)
        ask, close = asking(settings.broker_url)
        try:
            look(engine, dict.fromkeys(groups_stored(engine), False) | {g.name: True for g in catalog.groups}, ask)
        finally:
            close()
        Round(engine, catalog, settings.retention_days, stopping.wait).run()
    finally:
        engine.dispose()
    forget_leases(settings.inbox_url, stopping.wait)


@dataclass(frozen=True)
class Round:
    """One round over all tables; `wait(seconds)` pauses and is true when it is time to stop."""

    engine: Engine
    catalog: Catalog
    days: int
    wait: Callable[[float], bool]

    def run(self) -> dict[str, int]:
        """Remove all that is old enough; returns how many rows of each table."""
        oldest = select(func.min(outbox.c.created_at)).where(outbox.c.published_at.is_(None))
        with reading(self.engine) as connection:
            now, unpublished = connection.execute(select(store_now(), oldest.scalar_subquery())).one()
        cutoff = now - self.days * DAY_SECONDS
        answered = cutoff if unpublished is None else min(cutoff, unpublished)  # a replay may be on its way
        make_weeks(self.engine)
        removed = {
            "accepted": drop_weeks(self.engine, cutoff) + self._table("accepted", cutoff, remove_accepted),
            "outbox": self._table("outbox", cutoff, remove_outbox),
            "letters": self._table("letters", answered, remove_letters),
            "inbox": self._inbox(cutoff),
        }
        if any(removed.values()):
            log.info("removed", days=self.days, **removed)
        return removed

    def _table(self, what: str, cutoff: float, remove: Callable[[Connection, float, float], Step]) -> int:
        self._note(what, cutoff)
        removed = in_batches(self.engine, what, lambda connection, at: remove(connection, cutoff, at), self.wait)
        self._note(what, cutoff, succeeded=True)
        return removed

    def _inbox(self, cutoff: float) -> int:
        with reading(self.engine) as connection:
            looks = select(clearances.c.group_name, clearances.c.clear_before)
            clear = connection.execute(looks.where(clearances.c.clear_before.is_not(None))).all()
        declared = {group.name: group for group in self.catalog.groups}
        stored = set(groups_stored(self.engine))
        removed = 0
        for name, before in clear:
            until = min(cutoff, before - reach(declared.get(name)))
            if name in stored:
                self._note(of_inbox(name), until)
                removed += sum(self._of_group(name, state, until, cutoff) for state in SETTLED)
        self._note("inbox", 0.0, succeeded=True)
        return removed

    def _of_group(self, group: str, state: str, until: float, indexed_since: float) -> int:
        def remove(connection: Connection, position: float) -> Step:
            return remove_inbox(connection, group, state, until, position, indexed_since=indexed_since)

        return in_batches(self.engine, "inbox", remove, self.wait)

    def _note(self, what: str, cutoff: float, *, succeeded: bool = False) -> None:
        """Record what may have been removed, before the first row is; a later start never takes it back."""
        with begin(self.engine) as connection:
            row = {"what": what, "removed_before": cutoff, "succeeded_at": store_now()}
            noted = insert_into(connection.dialect, retention).values(row)
            later = case((retention.c.removed_before > cutoff, retention.c.removed_before), else_=cutoff)
            latest = {"removed_before": later, **({"succeeded_at": store_now()} if succeeded else {})}
            connection.execute(noted.on_conflict_do_update(index_elements=["what"], set_=latest))
