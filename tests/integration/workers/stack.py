"""A whole stack for tests: topology, store, and real processes, ended by their own ids."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import amqp
import psutil
from millrace.declarations import Catalog
from millrace.publishing import Publisher
from millrace.publishing.connection import broker_options
from sqlalchemy import Engine, Select, func, select

from infra import offline_engine
from operations.local.management import queue_totals
from operations.local.spawn import dies_with_parent
from tests.integration.workers.sample_catalog import CATALOG
from tests.integration.workers.sample_handlers import effects
from tests.real_servers import Broker
from workers.database import begin, connect, reading
from workers.migrate import migrate
from workers.tables import inbox, letters

ROOT = Path(__file__).parents[3]


T = TypeVar("T")


def until(found: Callable[[], T], *, seconds: float = 30, what: str = "the condition") -> T:
    """Wait for a true value and return it; fail with what was awaited and what was seen last."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s, last seen: {value!r}")
        time.sleep(0.05)
    return value


@dataclass
class Stack:
    """A stack of its own on the run's broker, with a store; `catalog` is a module:attribute of the tests."""

    broker: Broker
    database_url: str
    directory: Path
    stack: str
    passwords: dict[str, str] = field(default_factory=dict)
    vhost: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    catalog_name: str = "tests.integration.workers.sample_catalog:CATALOG"
    handlers: str = "tests.integration.workers.sample_handlers"

    def up(self, catalog: Catalog = CATALOG, aws: offline_engine.AwsTarget | None = None) -> None:
        """Apply the topology of a catalog; without `aws`, at the broker only."""
        where = {"state_dir": self.directory / "state"}
        offline_engine.up(self.stack, catalog=catalog, aws=aws, **self._admin(), **where)  # type: ignore[arg-type]
        outputs = offline_engine.outputs(self.stack, self.directory / "state")
        self.passwords, self.vhost = outputs["users"], outputs["vhost"]

    def destroy(self) -> None:
        """Take everything away, messages too."""
        where = {"state_dir": self.directory / "state"}
        offline_engine.destroy(self.stack, delete_messages=True, **self._admin(), **where)  # type: ignore[arg-type]

    def _admin(self) -> dict[str, str]:
        admin = {"admin_user": self.broker.admin_user, "admin_password": self.broker.admin_password}
        return {"management_url": self.broker.management_url, **admin}

    def url(self, purpose: str) -> str:
        """The broker URL of one of the stack's users (`group.ledger`, `service.web`, `relay`)."""
        user = f"{self.vhost}.{purpose}"
        return self.broker.amqp_url(self.vhost, user, self.passwords[user])

    @property
    def monitoring_url(self) -> str:
        """The management API by the monitoring user."""
        user = f"{self.vhost}.monitor"
        return f"http://{user}:{self.passwords[user]}@{urlsplit(self.broker.management_url).netloc}"

    def environment(self, purpose: str, **more: str) -> dict[str, str]:
        """What a process of the stack is told."""
        own = {
            "MILLRACE_BROKER_URL": self.url(purpose),
            "MILLRACE_DATABASE_URL": self.database_url,
            "MILLRACE_MONITORING_URL": self.monitoring_url,
            "MILLRACE_CATALOG": self.catalog_name,
            "MILLRACE_HANDLERS": self.handlers,
            "TMPDIR": str(self.directory),  # where a killed worker leaves its metrics
            "TEST_FIXED": str(self.directory / "fixed"),
        }
        return {**os.environ, **own, **more}

    def start(self, name: str, purpose: str, *module: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a process of the stack, logging to a file of its own."""
        log = (self.directory / f"{name}.log").open("ab")
        command = [sys.executable, "-m", *module]
        with log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment(purpose, **more),
                stderr=log,
                stdout=log,
                preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 (a run that is killed leaves nothing)
            )
        self.processes[name] = process
        return process

    def start_worker(self, group: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a worker of a group; use `consuming` to wait for it."""
        return self.start(group, f"group.{group}", "workers", group, **more)

    def start_relay(self) -> None:
        """Start the relay."""
        self.start("relay", "relay", "workers.relay")

    def start_keeper(self) -> None:
        """Start the keeper."""
        self.start("keeper", "keeper", "workers.keeper")

    def log(self, name: str) -> str:
        """What a process has said so far."""
        return (self.directory / f"{name}.log").read_text()

    def queue(self, name: str) -> dict[str, Any]:
        """A queue as the management API shows it; its numbers are a second old."""
        with self.broker.management() as client:
            return dict(client.get(f"/api/queues/{self.vhost}/{name}").json())

    def messages(self, name: str) -> int:
        """How many messages a queue has now, with those that a consumer holds."""
        with self.broker.management() as client:
            return int(queue_totals(client, self.vhost)[name]["messages"])

    def consumers(self, name: str) -> int:
        """How many consumers a queue has now."""
        admin = {"userid": self.broker.admin_user, "password": self.broker.admin_password}
        with amqp.Connection(**{**broker_options(self.url("monitor")), **admin}) as connection:
            return int(connection.channel().queue_declare(name, passive=True).consumer_count)

    def consuming(self, *groups: str) -> None:
        """Wait until each group has a consumer."""
        for group in groups:
            until(partial(self.consumers, group), seconds=60, what=f"{group}'s consumer")

    def publisher(self, service: str = "web") -> Publisher:
        """A publisher of a service."""
        return Publisher(self.url(f"service.{service}"), source=f"/{service}", catalog=CATALOG)

    def rows(self, statement: Select[*tuple[Any, ...]]) -> list[Any]:
        """What the store holds."""
        with self.engine() as engine, reading(engine) as connection:
            return list(connection.execute(statement))

    @contextlib.contextmanager
    def engine(self) -> Iterator[Engine]:
        """An engine on the store."""
        engine = connect(self.database_url)
        try:
            yield engine
        finally:
            engine.dispose()

    def outcome(self, group: str, event_id: str) -> str | None:
        """The state of an event in a group's inbox."""
        found = self.rows(select(inbox.c.state).where(inbox.c.group_name == group, inbox.c.event_id == event_id))
        return found[0].state if found else None

    def effects(self, who: str, order_id: str) -> list[Any]:
        """The effects that a group has had for an order."""
        chosen = (effects.c.who == who, effects.c.order_id == order_id)
        return self.rows(select(effects).where(*chosen).order_by(effects.c.id))

    def letters(self, kind: str = "dead") -> list[Any]:
        """The open letters of a kind."""
        chosen = (letters.c.kind == kind, letters.c.state == "open")
        return self.rows(select(letters).where(*chosen).order_by(letters.c.id))

    def count(self, who: str) -> tuple[int, int]:
        """How many effects a group has had, and on how many orders."""
        query = select(func.count(), func.count(effects.c.order_id.distinct())).where(effects.c.who == who)
        ((all_, orders),) = self.rows(query)
        return all_, orders

    def stop(self) -> None:
        """End every process, its children too."""
        self.end(*self.processes)

    def end(self, *names: str) -> None:
        """End some processes, their children too."""
        ending = [self.processes.pop(name) for name in names]
        for process in ending:
            process.send_signal(signal.SIGTERM)
        for process in ending:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                kill_tree(process.pid)
                process.wait(5)


@contextlib.contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """Bring a stack up, with its store, and down again; no process is started."""
    prepare_store(stack.database_url)
    stack.up()
    try:
        yield stack
    finally:
        stack.stop()
        stack.destroy()


def kill_tree(pid: int) -> None:
    """SIGKILL a process and its children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in (*psutil.Process(pid).children(recursive=True), psutil.Process(pid)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def prepare_store(url: str) -> None:
    """Make Millrace's tables and the test's own."""
    migrate(url)
    engine = connect(url)
    with begin(engine) as connection:
        effects.metadata.create_all(connection)
    engine.dispose()
