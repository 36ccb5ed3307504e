"""A PostgreSQL of a test's own, which it may crash."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from psycopg import OperationalError

from operations.faults.postgres import UNPRIVILEGED, find_postgres
from tests.integration.workers.stack import kill_tree, until
from tests.postgres_server import connect_to, running_postgres
from tests.real_servers import missing


@dataclass
class OwnPostgres:
    """A server that can be killed and started again."""

    server: str
    _command: list[str] = field(default_factory=list)
    _directory: str = ""
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """An empty database."""
        return f"{self.server}/postgres"

    def kill(self) -> None:
        """Kill all its processes."""
        postmaster = psutil.Process(_postmaster(self.server))
        self._command, self._directory = postmaster.cmdline(), postmaster.cwd()
        kill_tree(postmaster.pid)
        postmaster.wait(10)  # as a zombie it would still hold its directory

    def start(self) -> None:
        """Start it again, on the same data."""
        quiet, user = subprocess.DEVNULL, UNPRIVILEGED if os.geteuid() == 0 else None
        again = subprocess.Popen(self._command, cwd=self._directory, user=user, stdin=quiet, stdout=quiet, stderr=quiet)
        self._started.append(again)
        until(lambda: _answers(self.server), what="the server after its crash")

    def end(self) -> None:
        """End what was started again."""
        for process in self._started:
            process.send_signal(signal.SIGINT)
            process.wait(30)


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A server that nobody else uses."""
    programs = find_postgres()
    if programs is None:
        missing("PostgreSQL", "`make test` as root installs it; else install postgresql.")
    with running_postgres(programs) as server:
        own = OwnPostgres(server)
        try:
            yield own
        finally:
            own.end()


@contextmanager
def crashing_postgres() -> Iterator[tuple[str, Callable[[], None]]]:
    """The URL of an empty database, and what kills all processes of its server and starts it again."""
    with own_postgres() as own:

        def crash() -> None:
            own.kill()
            own.start()

        yield own.url, crash


def _postmaster(server: str) -> int:
    with connect_to(server, "postgres") as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return int((Path(row[0]) / "postmaster.pid").read_text().split()[0])


def _answers(server: str) -> bool:
    try:
        connect_to(server, "postgres").close()
    except OperationalError:
        return False
    return True
