"""An own PostgreSQL server for a test run."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from operations.faults.postgres import UNPRIVILEGED
from operations.faults.proxy import Proxy
from operations.local.ports import LOOPBACK, free_ports
from operations.local.spawn import dies_with_parent


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """Run a server in a fresh directory; gives the SQLAlchemy URL of its superuser without a database name."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="millrace-postgres-"))
    if user:
        account = pwd.getpwnam(user)
        os.chown(directory, account.pw_uid, account.pw_gid)
    try:
        with _server(programs, directory, user) as url:
            yield url
    finally:
        shutil.rmtree(directory)


@contextmanager
def _server(programs: Path, directory: Path, user: str | None) -> Iterator[str]:
    port, password = free_ports(1)[0], secrets.token_urlsafe(16)
    data, log = directory / "data", directory / "log"
    password_file = directory / "password"
    password_file.touch(0o600)
    if user:
        os.chown(password_file, pwd.getpwnam(user).pw_uid, -1)
    password_file.write_text(password)
    more = ["--encoding=UTF8", "--locale=C", f"--pwfile={password_file}"]
    subprocess.run(
        [str(programs / "initdb"), "-D", str(data), "-U", "millrace", "-A", "scram-sha-256", "--no-sync", *more],
        check=True,
        capture_output=True,
        user=user,
        cwd=directory,
    )
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            cwd=directory,
            preexec_fn=dies_with_parent(signal.SIGINT),  # noqa: PLW1509 (a run that is killed leaves nothing)
        )
    try:
        url = f"postgresql+psycopg://millrace:{password}@{LOOPBACK}:{port}"
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        process.wait(30)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            connect_to(url, "postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL must start within {seconds:.0f} s, got:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return


def connect_to(url: str, database: str) -> psycopg.Connection:
    """A plain autocommit connection to one database of the server."""
    return psycopg.connect(f"{url.replace('+psycopg', '')}/{database}", autocommit=True, connect_timeout=5)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """An empty database on the server, dropped afterwards; gives its SQLAlchemy URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with connect_to(url, "postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{url}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def by_way_of_proxy(url: str) -> Iterator[tuple[str, Proxy]]:
    """The SQLAlchemy URL of the same database by way of a proxy, and the proxy."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    with Proxy(address.hostname, address.port) as proxy:
        yield url.replace(f":{address.port}/", f":{proxy.port}/"), proxy
