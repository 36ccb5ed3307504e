"""Writers of one partition key, one after the other: so the order of the rows' ids is the order of the commits.

PostgreSQL gives out ids before the commit, so two transactions that write the same key at a time could commit in the
other order, and a relay would publish the second row while the first one cannot be seen yet. SQLite has one writer.
"""

import hashlib
from collections.abc import Iterable

from sqlalchemy import BigInteger, Connection, bindparam, func, select

_LOCK = select(func.pg_advisory_xact_lock(bindparam("number", type_=BigInteger())))


def hold_keys(connection: Connection, keys: Iterable[str | None]) -> None:
    """Hold the keys until the transaction ends; waits for other transactions that hold one of them.

    They are taken in one order, the same for everybody: calls with all keys of a transaction cannot block each other.
    """
    if connection.dialect.name != "postgresql":
        return
    for number in sorted({key_number(key) for key in keys if key is not None}):
        connection.execute(_LOCK, {"number": number})


def key_number(key: str) -> int:
    """The number of a key's advisory lock: two keys that share one merely wait for each other."""
    digest = hashlib.blake2b(f"millrace_outbox:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
