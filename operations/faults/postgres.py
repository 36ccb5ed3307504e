"""An own PostgreSQL server, as a process that a supervisor runs and a fault may kill."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from operations.local.errors import LocalError
from operations.local.ports import LOOPBACK
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import write_secret
from workers.database import reading

#: PostgreSQL refuses to run as root.
UNPRIVILEGED = "postgres"
SUPERUSER = "millrace"
INIT = ("--no-sync", "--encoding=UTF8", "--locale=C")


def find_postgres() -> Path | None:
    """The folder of PostgreSQL's programs, or None."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    return packaged[0] if packaged else Path(on_path).parent if on_path else None


def answers(engine: Engine) -> bool:
    """Whether the database lets somebody in."""
    try:
        with reading(engine):
            return True
    except SQLAlchemyError:
        return False


def postgres_process(programs: Path, directory: Path, port: int) -> tuple[ProcessSpec, str]:
    """Make a server's data below a directory that its user may enter; gives its process and its SQLAlchemy URL.

    Raises:
        LocalError: the data could not be made, with what initdb said.
    """
    password = secrets.token_urlsafe(16)
    data = directory / "data"
    password_file = directory / "password"
    write_secret(password_file, password)
    _give_away(directory)
    login = ["-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password_file}"]
    made = subprocess.run(  # noqa: S603 - argv is ours
        [*as_unprivileged(), str(programs / "initdb"), "-D", str(data), *login, *INIT],
        check=False,
        capture_output=True,
        text=True,
        cwd=directory,
    )
    if made.returncode != 0:
        raise LocalError(f"PostgreSQL's data must be made, got: {made.stderr.strip()[-1000:]}")
    settings = (f"listen_addresses={LOOPBACK}", f"port={port}", "unix_socket_directories=", "max_connections=200")
    options = [part for setting in settings for part in ("-c", setting)]
    argv = (*as_unprivileged(), str(programs / "postgres"), "-D", str(data), *options)
    spec = ProcessSpec(name="postgres", argv=argv, cwd=str(directory), stop_rank=95, grace=20.0)
    return spec, f"postgresql+psycopg://{SUPERUSER}:{password}@{LOOPBACK}:{port}/postgres"


def as_unprivileged() -> list[str]:
    """What a program of PostgreSQL's is run by, as root."""
    if os.geteuid() != 0:
        return []
    keep = ["--pdeathsig", "keep"]  # or the server would outlive a killed supervisor
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups", *keep]


def _give_away(directory: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        for path in (directory, *directory.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)
