"""The store as commands use it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from operations.connections import connections
from workers.database import begin, connect, reading


@contextmanager
def store_to_read() -> Iterator[Connection]:
    """A look at the store; raises NotRunning if there is none."""
    engine = connect(connections().database_url())
    try:
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def store_to_change() -> Iterator[Connection]:
    """One write transaction on the store; raises NotRunning if there is none."""
    engine = connect(connections().database_url())
    try:
        with begin(engine) as connection:
            yield connection
    finally:
        engine.dispose()
