"""What one worker process needs to run events: made once per process, after the fork."""

import os
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from millrace.declarations import Catalog, WorkerGroup
from millrace.derived import SEND_SECONDS, STORE_SECONDS, Timing, timing
from millrace.publishing.sender import Sender
from sqlalchemy import Engine

from workers.database import connect
from workers.handling import Handler, load_handlers
from workers.settings import Settings


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
        """The group's handlers by event type."""
        return load_handlers(self.settings.handlers, self.group)

    @cached_property
    def engine(self) -> Engine:
        """The store."""
        return connect(self.settings.database_url, patience=STORE_SECONDS)

    @cached_property
    def sender(self) -> Sender:
        """The confirmed sender to delays and dead letters."""
        return Sender(self.settings.broker_url, timeout=SEND_SECONDS)

    @property
    def timing(self) -> Timing:
        """The group's time limits."""
        return timing(self.group)

    @property
    def worker(self) -> str:
        """This process, as logs and dead letters name it."""
        return f"{self.group.name}:{os.getpid()}@{socket.gethostname()}"
