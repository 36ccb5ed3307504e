"""How fast events are claimed and completed with a small and with a large inbox, and while the retention removes rows.

    python -m bench.inbox_size --rows 30000000

Needs PostgreSQL's programs and about 500 bytes of disk for each row; prints one JSON object at the end.
"""

import argparse
import json
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from millrace.envelope import Envelope
from sqlalchemy import CursorResult, Engine, text

from operations.faults.postgres import find_postgres
from tests.postgres_server import fresh_database, running_postgres
from workers import inbox, retention_removal, verdicts
from workers.database import begin, connect
from workers.migrate import migrate
from workers.retention_batches import PAUSE_FACTOR, SHORTEST_PAUSE_SECONDS

GROUP, SOURCE = "ledger", "/web"
SMALL_ROWS = 10_000
CHUNK = 1_000_000
ROUNDS = 30
ROUND_SECONDS = 1.0
WARM_UP_SECONDS = 5.0
#: As long as the retention keeps rows: so the rows are spread.
DAYS = 30

_FILL = """
INSERT INTO millrace_inbox (group_name, source, event_id, type, fingerprint, state, attempts, generation, owner, fence,
                            due_at, milliseconds, first_seen_at, updated_at)
SELECT cast(:group as text), cast(:source as text), gen_random_uuid()::text, 'order.placed',
       md5(n::text) || md5((-n)::text), 'processed', 1, 0, 'ledger:4711@host.example', 1, at, 3.5, at, at
FROM (SELECT n, extract(epoch FROM now())::float8 - cast(:span as float8) * (1 - n / cast(:rows as float8)) AS at
      FROM generate_series(cast(:first as bigint), cast(:last as bigint)) AS n) AS numbered
"""


def main() -> int:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the large inbox (default: 2 million)")
    rows = parser.parse_args().rows
    programs = find_postgres()
    if programs is None:
        _say("PostgreSQL's programs are needed (initdb, postgres)")
        return 1
    with running_postgres(programs) as url, _inbox(url, SMALL_ROWS) as small, _inbox(url, rows) as large:
        found = {
            "rows": rows,
            "bytes_per_row": round(_size(large) / rows),
            "not_waiting_for_the_disk": _compare(small, large, "off"),
            "durable": _compare(small, large, "on"),
            "retention": _removing(large),
        }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


@contextmanager
def _inbox(server: str, rows: int) -> Iterator[Engine]:
    with fresh_database(server) as url:
        migrate(url)
        engine = connect(url)
        started = time.monotonic()
        _fill(engine, rows)
        _say(f"{rows} rows, {time.monotonic() - started:.0f} s, {_size(engine) / 1e9:.2f} GB")
        yield engine
        engine.dispose()


def _fill(engine: Engine, rows: int) -> None:
    """Rows first, indexes afterwards: the other way round takes ten times as long."""
    with _without_limits(engine) as run:
        listed = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'millrace_inbox'"
        found = {row.indexname: row.indexdef for row in run(listed)}
        indexes = {name: sql for name, sql in found.items() if name != "millrace_inbox_pkey"}
        run("ALTER SYSTEM SET max_wal_size = '8GB'")  # fewer checkpoints while it fills
        run("SELECT pg_reload_conf()")
        run("ALTER TABLE millrace_inbox DROP CONSTRAINT millrace_inbox_pkey")
        for name in indexes:
            run(f"DROP INDEX {name}")
        for first in range(1, rows + 1, CHUNK):
            last = min(first + CHUNK - 1, rows)
            span = {"span": DAYS * 86_400, "rows": rows, "first": first, "last": last}
            run(_FILL, group=GROUP, source=SOURCE, **span)
            _say(f"{last} rows")
        run("ALTER TABLE millrace_inbox ADD PRIMARY KEY (group_name, source, event_id)")
        for name, definition in indexes.items():
            run(definition)
            _say(f"index {name}")
        run("VACUUM ANALYZE millrace_inbox")
        run("CHECKPOINT")


@contextmanager
def _without_limits(engine: Engine) -> Iterator[Callable[..., CursorResult[Any]]]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET maintenance_work_mem = '1GB'"))
        yield lambda statement, **values: connection.execute(text(statement), values)
        connection.invalidate()  # its settings go with it


def _size(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_total_relation_size('millrace_inbox')")).scalar_one())


def _compare(small: Engine, large: Engine, commit: str) -> dict[str, object]:
    """Events per second in turns, so that what else the machine does meets both; the ratio is that of neighbours.

    With `synchronous_commit` off nothing waits for the disk, which would hide what the size costs.
    """
    for engine in (small, large):
        with engine.begin() as connection:
            connection.execute(text(f"ALTER DATABASE {engine.url.database} SET synchronous_commit = {commit}"))
        engine.dispose()
        _work(engine, WARM_UP_SECONDS)
    pairs: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        first, second = (small, large) if number % 2 else (large, small)
        rates = {engine: len(_work(engine, ROUND_SECONDS)) / ROUND_SECONDS for engine in (first, second)}
        pairs.append((rates[small], rates[large]))
        _say(f"round {number + 1} of {ROUNDS}: small {pairs[-1][0]:.0f}/s, large {pairs[-1][1]:.0f}/s")
    return {
        "small_per_second": round(statistics.median(pair[0] for pair in pairs)),
        "large_per_second": round(statistics.median(pair[1] for pair in pairs)),
        "large_to_small": round(statistics.median(pair[1] / pair[0] for pair in pairs), 3),
        "quartiles": [round(value, 3) for value in statistics.quantiles([p[1] / p[0] for p in pairs], n=4)],
    }


def _removing(engine: Engine) -> dict[str, object]:
    """The large inbox alone, in turns without and with the retention at work on its oldest rows."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    removed = 0
    for number in range(ROUNDS):
        removes = bool(number % 2)
        stopping = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            removing = pool.submit(_remove, engine, stopping) if removes else None
            taken[removes] += _work(engine, ROUND_SECONDS)
            stopping.set()
            removed += removing.result() if removing else 0
    seconds = ROUNDS / 2 * ROUND_SECONDS
    return {
        "removed_per_second": round(removed / seconds),
        **{name: _spread(taken[removes], seconds) for name, removes in (("alone", False), ("while_removing", True))},
    }


def _spread(taken: list[float], seconds: float) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "per_second": round(len(ordered) / seconds),
        "p50_ms": round(ordered[len(ordered) // 2] * 1000, 2),
        "p99_ms": round(ordered[len(ordered) * 99 // 100] * 1000, 2),
    }


def _remove(engine: Engine, stopping: threading.Event) -> int:
    """What the retention does, with its pauses; how many rows it removed."""
    position, removed = 0.0, 0
    while not stopping.is_set():
        started = time.monotonic()
        with begin(engine) as connection:
            step = retention_removal.remove_inbox(
                connection, GROUP, verdicts.PROCESSED, time.time(), position, indexed_since=0.0
            )
        position, removed = step.position, removed + step.removed
        stopping.wait(max(SHORTEST_PAUSE_SECONDS, (time.monotonic() - started) * PAUSE_FACTOR))
    return removed


def _work(engine: Engine, seconds: float) -> list[float]:
    """Claim and complete new events one after the other, as a worker does; the seconds that each took."""
    taken: list[float] = []
    end = time.monotonic() + seconds
    while (started := time.monotonic()) < end:
        event = Envelope(id=str(uuid.uuid4()), source=SOURCE, type="order.placed")
        request = verdicts.Request(
            group=GROUP,
            envelope=event,
            fingerprint="f" * 64,
            generation=0,
            owner="bench",
            lease_seconds=60,
            max_attempts=5,
        )
        with begin(engine) as connection:
            held = inbox.claim(connection, request)
        if not isinstance(held, verdicts.Claim):
            raise TypeError(f"a new event must be claimed, got {held}")
        with begin(engine) as connection:
            inbox.complete(connection, held, verdicts.PROCESSED, milliseconds=1.0)
        taken.append(time.monotonic() - started)
    return taken


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
