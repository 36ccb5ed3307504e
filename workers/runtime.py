"""What one worker process needs to run events: made once per process, after the fork."""

import os
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from millrace.declarations import Catalog, WorkerGroup
from millrace.derived import SEND_SECONDS, STORE_SECONDS, LaneSize, Timing, lane_size, processes, timing
from millrace.publishing.sender import Sender
from sqlalchemy import Engine

from workers.database import connect
from workers.environment import SettingsError
from workers.handling import Handler, load_handlers, require_level
from workers.settings import Settings
from workers.stores.opening import level_of, open_store
from workers.stores.settlement import Apart, Settlement, Together
from workers.stores.sql import DatabaseStore
from workers.stores.store import InboxStore, StoreUnfit


@dataclass(frozen=True)
class Runtime:
    """A group's catalog, handlers, store and sender, in one process."""

    settings: Settings
    catalog: Catalog
    group: WorkerGroup

    @classmethod
    def of(cls, settings: Settings, group: str) -> "Runtime":
        """The runtime of a group; raises KeyError if the catalog has no such group."""
        catalog = settings.load_catalog()
        return cls(settings, catalog, catalog.group(group))

    @cached_property
    def handlers(self) -> dict[str, Handler[Any]]:
        """The group's handlers by event type; raises StoreTooWeak if the inbox promises less than one needs."""
        found = load_handlers(self.settings.handlers, self.group)
        require_level(found.values(), level_of(self.settings.inbox_url))
        return found

    @cached_property
    def engine(self) -> Engine:
        """The database."""
        return connect(self.settings.database_url, patience=STORE_SECONDS, statement=self.timing.statement)

    @cached_property
    def inbox(self) -> InboxStore:
        """Where events are claimed: the database, unless the settings name another store."""
        url = self.settings.inbox_url
        return DatabaseStore(self.engine) if url is None else open_store(url)

    @cached_property
    def settlement(self) -> Settlement:
        """How an attempt ends in that store."""
        inbox = self.inbox
        return Together(inbox) if isinstance(inbox, DatabaseStore) else Apart(inbox, self.engine)

    def require_inbox(self) -> None:
        """Raise SettingsError unless the store is there and fit for its level; opened for this only.

        The database itself may be out, or not migrated yet, when a worker starts: its events wait in the broker.
        """
        url = self.settings.inbox_url
        if url is None:
            with closing(DatabaseStore(connect(self.settings.database_url, patience=STORE_SECONDS))) as database:
                _require_fit("MILLRACE_DATABASE_URL", database.check_durability)
        else:
            with closing(open_store(url)) as store:
                _require_fit("MILLRACE_INBOX_URL", store.check)

    @cached_property
    def sender(self) -> Sender:
        """The confirmed sender to delays and dead letters."""
        return Sender(self.settings.broker_url, timeout=SEND_SECONDS)

    @cached_property
    def timing(self) -> Timing:
        """The group's time limits."""
        return timing(self.group)

    @property
    def lane(self) -> LaneSize | None:
        """The size of its lane, if it has one: a batch's effects, outcomes and outbox must commit together."""
        return lane_size(self.group) if self.settings.inbox_url is None else None

    @property
    def processes(self) -> int:
        """How many processes its pool has."""
        return processes(self.group, self.settings.concurrency)

    @property
    def worker(self) -> str:
        """This process, as logs and dead letters name it."""
        return f"{self.group.name}:{os.getpid()}@{socket.gethostname()}"


def _require_fit(name: str, check: Callable[[], None]) -> None:
    try:
        check()
    except StoreUnfit as error:
        raise SettingsError(f"{name}: {error}") from error
