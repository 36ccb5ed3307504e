"""Statements as the driver takes them, each compiled once: SQLAlchemy's own way costs more than all the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Dialect, Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

#: So many compiled statements are kept; a handler has a few.
MOST = 500


@dataclass(frozen=True, slots=True)
class Deferred:
    """A statement for an event's transaction, its parameters, and, if it matters, how many rows it must change."""

    statement: Executable
    parameters: Mapping[str, Any] | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement's text, and its parameters as the driver takes them."""

    text: str
    parameters: Mapping[str, Any] | tuple[Any, ...]

    def run(self, connection: Connection) -> CursorResult[Any]:
        """Execute it."""
        return connection.exec_driver_sql(self.text, self.parameters)


class Preparer:
    """Prepares statements for one database."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        #: SQLAlchemy's cache of statements by their structure
        self._by_structure: LRUCache[Any, Any] = LRUCache(MOST)
        #: those that are made once and given parameters, by themselves
        self._by_itself: LRUCache[Any, SQLCompiler] = LRUCache(MOST)

    def prepare(self, deferred: Deferred) -> Prepared | None:
        """What the driver takes; None if SQLAlchemy has more to do than to send it, or its result matters."""
        if deferred.rows is not None:
            return None
        compiled, extracted = self._compiled(deferred.statement, deferred.parameters)
        return ready(compiled, deferred.parameters, extracted) if _plain(compiled) else None

    def _compiled(self, statement: Executable, parameters: Mapping[str, Any] | None) -> tuple[SQLCompiler, Any]:
        """The compiled statement, and the values that were in it; for many rows, so that nothing is returned."""
        if parameters is None:
            compiled, extracted, *_ = statement._compile_w_cache(
                self._dialect, compiled_cache=self._by_structure, column_keys=[], for_executemany=True
            )
            return cast(SQLCompiler, compiled), extracted
        key = statement, *parameters
        found = self._by_itself.get(key)
        if found is None:
            make: Callable[..., Any] = statement.compile  # type: ignore[attr-defined]
            found = make(dialect=self._dialect, column_keys=list(parameters), for_executemany=True)
            self._by_itself[key] = found
        return found, None


@lru_cache(maxsize=16)
def preparer(dialect: Dialect) -> Preparer:
    """The one of a database."""
    return Preparer(dialect)


def ready(compiled: SQLCompiler, parameters: Mapping[str, Any] | None, extracted: Any = None) -> Prepared:
    """A compiled statement with its parameters; `extracted` are the values that were in the statement itself."""
    values = compiled.construct_params(parameters, extracted_parameters=extracted, escape_names=False)
    converters: Mapping[str, Any] = compiled._bind_processors
    for name, convert in converters.items():
        values[name] = convert(values[name])
    if compiled.positiontup is not None:
        return Prepared(compiled.string, tuple(values[name] for name in compiled.positiontup))
    return Prepared(compiled.string, values)


def _plain(compiled: SQLCompiler) -> bool:
    """Whether text and parameters are all there is: no defaults made in Python, no text that depends on values."""
    made_here = compiled.insert_prefetch or compiled.update_prefetch
    depends = compiled.literal_execute_params or compiled.post_compile_params or compiled.escaped_bind_names
    return not (made_here or depends)
