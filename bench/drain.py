"""How fast a waiting queue is drained: the lane against Celery, on quorum queues and a durable PostgreSQL.

    python -m bench.drain --rounds 3

Each round drains one queue after the other, so that what else the machine does meets all alike; the rate is that of the
middle part (from 90 % to 10 % left), so starting costs nobody anything. Prints a table, and one JSON object at the end.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import amqp
import psutil
from millrace.publishing.connection import broker_options
from millrace.publishing.sender import Sender
from sqlalchemy import text

from bench.catalog import CATALOG
from bench.celery_peer import BARE, QUORUM, WITH_INBOX
from bench.contenders import CONTENDERS, Contender
from bench.handlers import orders
from operations.faults.postgres import find_postgres
from tests.integration.workers.stack import Stack, prepare_store, until
from tests.postgres_server import fresh_database, running_postgres
from tests.real_servers import own_broker
from workers.database import begin, connect

#: Left at the beginning and at the end of what is measured.
FROM, TO = 0.9, 0.1
SAMPLE_SECONDS = 0.01
CHUNK = 5_000
STILL_SECONDS = 20.0
SETTLED_SECONDS = 0.5
_SERVERS = {"broker": ("beam.smp",), "database": ("postgres",)}


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--only", default="", help="only those whose names contain this")
    parser.add_argument("--events", type=float, default=1.0, help="as many times the events of a round (default: 1)")
    options = parser.parse_args()
    chosen = [each for each in CONTENDERS if options.only in each.name]
    results: dict[str, list[dict[str, float]]] = {each.name: [] for each in chosen}
    with _stack() as stack, stack.broker.fresh_vhost() as peers:
        _prepare_peers(stack.broker.amqp_url(peers))
        for number in range(options.rounds):
            for contender in chosen:
                vhost = peers if contender.queue in (BARE, WITH_INBOX) else stack.vhost
                found = _drain(stack, stack.broker.amqp_url(vhost), contender, round(contender.events * options.events))
                results[contender.name].append(found)
                _say(f"round {number + 1}: {contender.name}: {found}")
    _table(results)
    sys.stdout.write(json.dumps(results, indent=2) + "\n")
    return 0


@contextmanager
def _stack() -> Iterator[Stack]:
    """A broker, a database and the topology of the benchmark's catalog."""
    programs = find_postgres()
    assert programs is not None, "PostgreSQL's programs are needed (initdb, postgres)"
    with (
        tempfile.TemporaryDirectory(prefix="millrace-bench-") as name,
        running_postgres(programs) as server,
        fresh_database(server) as url,
        own_broker(Path(name) / "broker") as (broker, _control),
    ):
        handlers = {"catalog_name": "bench.catalog:CATALOG", "handlers": "bench.handlers"}
        stack = Stack(broker, url, Path(name), "bench", **handlers)  # type: ignore[arg-type]
        prepare_store(url)
        engine = connect(url)
        with begin(engine) as connection:
            orders.metadata.create_all(connection)
            connection.execute(text("create table bench_inbox (event_id text primary key)"))
        engine.dispose()
        stack.up(CATALOG)
        with stack.broker.management() as client:
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            client.put(f"/api/permissions/{stack.vhost}/{stack.broker.admin_user}", json=everything).raise_for_status()
        try:
            yield stack
        finally:
            stack.stop()
            stack.destroy()


def _prepare_peers(url: str) -> None:
    with amqp.Connection(**broker_options(url)) as connection:
        for queue in (BARE, WITH_INBOX):
            connection.channel().queue_declare(queue, durable=True, auto_delete=False, arguments=QUORUM)


def _drain(stack: Stack, url: str, contender: Contender, events: int) -> dict[str, float]:
    """Start the processes, hold them while the queue is filled, and measure while they drain it."""
    more = {
        "BENCH_BROKER_URL": url,
        "BENCH_DATABASE_URL": stack.database_url.replace("postgresql+psycopg", "postgresql"),
        "MILLRACE_CONCURRENCY": "1",
    }
    with amqp.Connection(**broker_options(url)) as connection:
        channel = connection.channel()

        def counts() -> tuple[int, int]:
            declared = channel.queue_declare(contender.queue, passive=True)
            return int(declared.message_count), int(declared.consumer_count)

        names = [f"{contender.queue}-{number}" for number in range(len(contender.commands))]
        group = f"group.{contender.queue}" if contender.queue in {each.name for each in CATALOG.groups} else "monitor"
        for name, command in zip(names, contender.commands, strict=True):
            stack.start(name, group, *command, **more)
        until(lambda: counts()[1] == len(names), seconds=60, what="their consumers")
        time.sleep(SETTLED_SECONDS)
        with _held(stack, names):
            _fill(url, contender, events)
        _wait(counts, events * FROM, stack, names)
        before, began, first = _cpu(stack, names), time.monotonic(), counts()[0]
        _wait(counts, events * TO, stack, names)
        seconds, last, after = time.monotonic() - began, counts()[0], _cpu(stack, names)
        until(lambda: counts()[0] == 0, seconds=120, what="an empty queue")
        time.sleep(SETTLED_SECONDS)
        stack.end(*names)
    done = first - last
    spent = {f"{who}_us": round((after[who] - before[who]) / done * 1e6, 1) for who in after}
    return {"per_second": round(done / seconds), **spent}


def _fill(url: str, contender: Contender, events: int) -> None:
    sender = Sender(url, timeout=60)
    for start in range(0, events, CHUNK):
        failed = sender.send([contender.message(number) for number in range(start, min(start + CHUNK, events))])
        assert not any(failed), failed
    sender.close()


@contextmanager
def _held(stack: Stack, names: list[str]) -> Iterator[None]:
    """The processes stand still in the body."""
    roots = [psutil.Process(stack.processes[name].pid) for name in names]
    held = [process for root in roots for process in (root, *root.children(recursive=True))]
    for process in held:
        process.suspend()
    yield
    for process in reversed(held):
        process.resume()


def _wait(counts: Callable[[], tuple[int, int]], goal: float, stack: Stack, names: list[str]) -> None:
    """Wait until so many are left; a queue that stands still is an error, with what the processes have said."""
    least, since = counts()[0], time.monotonic()
    while least > goal:
        time.sleep(SAMPLE_SECONDS)
        if (now := counts()[0]) < least:
            least, since = now, time.monotonic()
        elif time.monotonic() - since > STILL_SECONDS:
            raise AssertionError(f"stands still at {now}:\n{stack.log(names[0])[-3000:]}")


def _cpu(stack: Stack, names: list[str]) -> dict[str, float]:
    """CPU seconds of the contender's processes, the broker and the database so far."""
    spent = dict.fromkeys(("client", *_SERVERS), 0.0)
    roots = {stack.processes[name].pid for name in names}
    for process in psutil.Process().children(recursive=True):
        try:
            times, name = process.cpu_times(), process.name()
            client = process.pid in roots or any(parent.pid in roots for parent in process.parents())
        except psutil.NoSuchProcess:
            continue
        who = "client" if client else next((who for who, its in _SERVERS.items() if name in its), None)
        if who is not None:
            spent[who] += times.user + times.system
    return spent


def _table(results: dict[str, list[dict[str, float]]]) -> None:
    base = statistics.median(each["per_second"] for each in next(iter(results.values())))
    _say(f"{'':32} {'per second':>22} {'ratio':>6}   CPU us per event: client, broker, database")
    for name, rounds in results.items():
        rates = sorted(each["per_second"] for each in rounds)
        middle = statistics.median(rates)
        spent = "  ".join(f"{statistics.median(each[f'{who}_us'] for each in rounds):7.0f}" for who in _WHO)
        _say(f"{name:32} {middle:8.0f} ({rates[0]:.0f}-{rates[-1]:.0f}) {middle / base:6.2f}   {spent}")


_WHO = ("client", *_SERVERS)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
