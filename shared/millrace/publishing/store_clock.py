"""The store's own clock as an SQL expression: no decision is ever made by a worker's clock."""

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class store_now(FunctionElement[float]):
    """Seconds since 1970, with fractions, by the database server's clock (wall time, not the transaction's start)."""

    type = Double()
    inherit_cache = True


@compiles(store_now, "sqlite")
def _sqlite(_element: store_now, _compiler: object, **_: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(store_now, "postgresql")
def _postgresql(_element: store_now, _compiler: object, **_: object) -> str:
    return "extract(epoch from clock_timestamp())::double precision"
