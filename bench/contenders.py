"""Who takes part: the processes of each contender, what they are told, and how work comes to them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench import messages, names
from bench.crew import ROOT
from bench.messages import Maker

#: Processes that work, for each contender: one for each core of a small machine.
PROCESSES = 2
#: Peers have an environment of their own, which `make bench` makes.
PEER_PYTHON = str(ROOT / ".venv-bench" / "bin" / "python")
QUEUE = "bench-orders"
#: The most that a process of a peer is given at a time; Celery's is 50, as its documentation has it for short tasks.
PREFETCH = 100


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do the work."""

    name: str
    commands: Sequence[Sequence[str]]
    #: how many events a round takes, at most a few seconds of work
    events: int
    make: Maker
    queue: str = QUEUE
    #: as the broker counts them
    consumers: int = PROCESSES
    #: Millrace's group; peers have none
    group: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    #: its jobs lie in PostgreSQL: the module that prepares, fills and runs it
    tables: str | None = None


def lane(group: str, name: str, events: int = 30_000, processes: int = PROCESSES) -> Contender:
    """Workers of a group, each with a lane."""
    return Contender(
        name=name,
        commands=[(sys.executable, "-m", "workers", group)] * processes,
        events=events,
        make=messages.event_for(group),
        queue=group,
        consumers=processes,
        group=group,
    )


def pool(group: str, name: str, events: int) -> Contender:
    """One worker with a pool of processes, as Celery's."""
    return replace(lane(group, name, events, 1), environment={"MILLRACE_CONCURRENCY": str(PROCESSES)})


def variant(contender: Contender, module: str) -> Contender:
    """The same lane, started by another module."""
    ((python, _m, _module, group), *_) = contender.commands
    return replace(contender, commands=[(python, "-m", module, group)] * len(contender.commands))


def _python(*arguments: str) -> tuple[str, ...]:
    return (PEER_PYTHON, "-m", *arguments)


def celery(name: str, work: str, events: int, processes: int = PROCESSES, more: Sequence[str] = ()) -> Contender:
    """One worker with a pool of processes."""
    options = f"-c {processes} -P prefork -l WARNING --without-gossip --without-mingle".split()
    return Contender(
        name=name,
        commands=[_python("celery", "-A", "bench.peers.celery_app", "worker", *options, *more)],
        events=events,
        make=messages.celery_task(QUEUE),
        consumers=1,
        environment={"BENCH_WORK": work},
    )


def with_our_imports(contender: Contender, name: str) -> Contender:
    """The same Celery in Millrace's environment, with what a worker of Millrace's imports."""
    ((_python, *rest),) = contender.commands
    return replace(contender, name=name, commands=[(sys.executable, *rest, "-I", "workers.runtime,workers.lane.step")])


def celery_solo(name: str, work: str, events: int) -> Contender:
    """Workers that run tasks in their own process."""
    options = ["-P", "solo", "-l", "WARNING", "--without-gossip", "--without-mingle"]
    worker = _python("celery", "-A", "bench.peers.celery_app", "worker", *options)
    commands = [(*worker, "-n", f"solo{number}@%h") for number in range(PROCESSES)]
    return replace(celery(name, work, events), commands=commands, consumers=PROCESSES)


def celery_batches(name: str, work: str, events: int) -> Contender:
    """Celery with celery-batches: a hundred tasks as one."""
    prefetch = {"BENCH_WORK": work, "BENCH_PREFETCH": str(2 * PREFETCH)}
    make = messages.celery_task(QUEUE, "orders")
    gathering = celery(name, work, events, more=("-I", "bench.peers.celery_batches_app"))
    return replace(gathering, make=make, environment=prefetch)


def dramatiq(name: str, work: str, events: int, processes: int = PROCESSES) -> Contender:
    """Processes of eight threads, its default."""
    return Contender(
        name=name,
        commands=[_python("dramatiq", "bench.peers.dramatiq_app", "-p", str(processes), "-t", "8")],
        events=events,
        make=messages.dramatiq_message(QUEUE),
        consumers=processes,
        arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{QUEUE}.XQ"},
        environment={"BENCH_WORK": work, "dramatiq_queue_prefetch": str(PREFETCH)},
    )


def taskiq(name: str, work: str, events: int) -> Contender:
    """Worker processes of taskiq."""
    options = f"--workers {PROCESSES} --log-level WARNING".split()
    return Contender(
        name=name,
        commands=[_python("taskiq", "worker", "bench.peers.taskiq_app:broker", *options)],
        events=events,
        make=messages.taskiq_message(QUEUE),
        environment={"BENCH_WORK": work},
    )


def faststream(name: str, work: str, events: int) -> Contender:
    """Worker processes of FastStream."""
    options = f"--workers {PROCESSES} --log-level warning".split()
    return Contender(
        name=name,
        commands=[_python("faststream", "run", "bench.peers.faststream_app:app", *options)],
        events=events,
        make=messages.plain_json(QUEUE),
        environment={"BENCH_WORK": work},
    )


def raw(name: str, client: str, acked_at_once: int, events: int) -> Contender:
    """Clients without a framework."""
    return Contender(
        name=name,
        commands=[_python("bench.peers.raw", client, str(acked_at_once))] * PROCESSES,
        events=events,
        make=messages.plain_json(QUEUE),
    )


def in_tables(name: str, module: str, events: int) -> Contender:
    """Workers of a queue in PostgreSQL, with an effect row."""
    return Contender(
        name=name,
        commands=[_python(module, "run")] * PROCESSES,
        events=events,
        make=messages.plain_json(QUEUE),
        environment={"BENCH_WORK": "effect"},
        tables=module,
    )


LANE_EFFECT = lane("with-effect", names.LANE_EFFECT)
LANE_BATCH = lane("batch-effect", "Millrace, inbox + effect, batch handler")
LANE_INBOX = lane("inbox-only", names.LANE_INBOX)
LANE_NO_RECORD = lane("no-record", names.LANE_NO_RECORD, events=40_000)
CELERY_BARE = celery(names.CELERY_BARE, "nothing", 10_000)
CELERY_INBOX = celery(names.CELERY_INBOX, "inbox", 4_000)
DRAMATIQ = dramatiq(names.DRAMATIQ, "nothing", 25_000)
TASKIQ = taskiq("taskiq, nothing", "nothing", 15_000)
FASTSTREAM = faststream("FastStream, nothing", "nothing", 15_000)
PROCRASTINATE = in_tables(names.PROCRASTINATE, "bench.peers.procrastinate_app", 3_000)
DBOS = in_tables(names.DBOS, "bench.peers.dbos_app", 3_000)

#: Those of `make bench-quick`, the first is what others are compared with.
MAIN = (CELERY_BARE, CELERY_INBOX, DRAMATIQ, LANE_EFFECT, LANE_INBOX, LANE_NO_RECORD)
OTHERS = (
    LANE_BATCH,
    pool("in-pool", "Millrace's pool, inbox + effect", 4_000),
    celery_solo("Celery solo, nothing", "nothing", 15_000),
    celery_solo("Celery solo, usual inbox + effect", "inbox", 6_000),
    celery("Celery prefork, effect", "effect", 6_000),
    celery("Celery prefork, Redis SETNX + effect", "redis", 6_000),
    celery_batches("celery-batches, nothing", "nothing", 15_000),
    celery_batches("celery-batches, effect", "effect", 15_000),
    dramatiq("dramatiq, effect", "effect", 10_000),
    TASKIQ,
    taskiq("taskiq, effect", "effect", 10_000),
    FASTSTREAM,
    faststream("FastStream, effect", "effect", 10_000),
    raw("py-amqp, ack each", "amqp", 1, 30_000),
    raw("pika, ack each", "pika", 1, 30_000),
    raw("pika, ack 50", "pika", 50, 40_000),
)
TABLES = (PROCRASTINATE, DBOS)
