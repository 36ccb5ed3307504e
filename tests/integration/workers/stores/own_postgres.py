"""A PostgreSQL of a test's own, which it may crash."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from psycopg import OperationalError

from operations.faults.postgres import UNPRIVILEGED, find_postgres
from tests.integration.workers.stack import kill_tree, until
from tests.postgres_server import connect_to, running_postgres


@contextmanager
def crashing_postgres() -> Iterator[tuple[str, Callable[[], None]]]:
    """The URL of an empty database, and what kills all processes of its server and starts it again."""
    programs = find_postgres()
    assert programs is not None
    restarted: list[subprocess.Popen[bytes]] = []

    def crash() -> None:
        postmaster = psutil.Process(_postmaster(server))
        command, directory = postmaster.cmdline(), postmaster.cwd()
        kill_tree(postmaster.pid)
        postmaster.wait(10)  # as a zombie it would still hold its directory
        quiet, user = subprocess.DEVNULL, UNPRIVILEGED if os.geteuid() == 0 else None
        restarted.append(subprocess.Popen(command, cwd=directory, user=user, stdin=quiet, stdout=quiet, stderr=quiet))
        until(lambda: _answers(server), what="the server after its crash")

    with running_postgres(programs) as server:
        try:
            yield f"{server}/postgres", crash
        finally:
            for process in restarted:
                process.send_signal(signal.SIGINT)
                process.wait(30)


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
