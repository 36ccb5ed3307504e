"""The scratch stack's database: a PostgreSQL of its own, or a file of SQLite."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from operations.faults.effects import metadata
from operations.faults.postgres import find_postgres, postgres_process
from operations.local.errors import LocalError
from operations.local.ports import free_ports
from operations.local.process_spec import ProcessSpec
from workers.database import begin, connect
from workers.migrate import migrate


def scratch_database(directory: Path, kind: str) -> tuple[Sequence[ProcessSpec], str]:
    """The processes of a new database, `postgresql` or `sqlite`, and its URL; raises LocalError if it cannot be had."""
    if kind == "sqlite":
        return (), f"sqlite:///{directory / 'stack' / 'millrace.db'}"
    programs = find_postgres()
    if programs is None:
        raise LocalError("PostgreSQL must be on this machine, got none. Install postgresql, or take --database sqlite.")
    place = directory / "postgres"
    place.mkdir(mode=0o700)
    spec, url = postgres_process(programs, place, free_ports(1)[0])
    return (spec,), url


def prepare_store(url: str, seconds: float = 30.0) -> None:
    """Make Millrace's tables and the suite's own, once the database answers; raises LocalError if it does not."""
    engine = connect(url)
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                with begin(engine) as connection:
                    connection.execute(text("SELECT 1"))
                break
            except SQLAlchemyError as error:
                if time.monotonic() > deadline:
                    raise LocalError(f"the database must answer within {seconds:.0f} s, got: {error}") from None
                time.sleep(0.1)
        migrate(url)
        with begin(engine) as connection:
            metadata.create_all(connection)
    finally:
        engine.dispose()
