"""`python -m operations.faults.delayed`: many delayed events, a broker restart, and how late each was."""

from __future__ import annotations

import bisect
import math
import random
import signal
import statistics
import threading
import time
from dataclasses import dataclass

import click
import httpx
import psutil
from millrace import names
from millrace.envelope import seal
from millrace.publishing.sender import Sender
from sqlalchemy import func, select

from operations.faults.delay_levels import held_up
from operations.faults.effects import effects
from operations.faults.ending import ended_by_signals
from operations.faults.load import SOURCE
from operations.faults.sample import CATALOG, SETTINGS, Followed
from operations.faults.world import World, running_world
from operations.local.management import queue_totals
from workers.database import reading
from workers.outgoing import delayed

GROUP = "second"
BATCH = 500
#: An event may be so late: a second, and this share of its delay.
ALLOWED_SECONDS, ALLOWED_SHARE = 1.0, 0.05
#: Each process of a worker of flat memory grows by no more, in MiB: what it takes to warm up.
FLAT_MIB = 8.0
#: Workers keep up while no more than so many events wait in their queue, beside what they hold; looked at each second.
WAITING, LOOK_SECONDS = 100, 1.0
#: What came due while the broker was away leaves the delay queues as fast as these go; until then nothing is judged.
CATCHING_UP_SECONDS = 15.0
#: Of all events at least this share must have come due while they did, or nothing is shown.
LEAST_JUDGED = 0.5


@dataclass(frozen=True, kw_only=True)
class Result:
    """How it went.

    Attributes:
        judged: events that came due while the broker ran and the workers kept up; only these can be late.
        held_up: how many of them had to move from one delay level to the next while it was away: they may be later.
        late: how many of them came later than is allowed; their lateness is in seconds.
        worst: the most that any event was late, whenever it came due.
        restarts: of the broker.
    """

    events: int
    judged: int
    held_up: int
    missing: int
    doubled: int
    early: int
    late: int
    lateness_p50: float
    lateness_p99: float
    worst: float
    worker_mib_first: float
    worker_mib_last: float
    processes: int
    restarts: int

    def wrong(self) -> list[str]:
        """What is not as it should be, in words."""
        checks = {
            "missing": self.missing,
            "doubled": self.doubled,
            "early": self.early,
            "late": self.late,
            "the workers did not keep up": self.judged < self.events * LEAST_JUDGED,
            "the worker's memory grew": self.worker_mib_last - self.worker_mib_first > FLAT_MIB * self.processes,
            "the broker was not restarted": self.restarts == 0,
        }
        return [what for what, is_so in checks.items() if is_so]


class Watch(threading.Thread):
    """Looks each second whether the broker runs and the group's workers keep up with what comes due."""

    def __init__(self, world: World) -> None:
        super().__init__(name="watch", daemon=True)
        self._world = world
        self._over = threading.Event()
        self._left_at: float | None = None
        self._away_at = -math.inf
        self._looks: list[float] = []
        #: how many of the looks up to each one have found a backlog, or no broker
        self._bad = [0]

    def run(self) -> None:
        """Look until told to stop."""
        while not self._over.wait(LOOK_SECONDS):
            keeps_up = self._keeps_up()
            now = time.time()
            if keeps_up is None:
                self._away_at = now
            good = bool(keeps_up) and now - self._away_at >= CATCHING_UP_SECONDS
            self._looks.append(now)
            self._bad.append(self._bad[-1] + (not good))

    def _keeps_up(self) -> bool | None:
        """Whether the workers do; None if the broker is away."""
        try:
            with self._world.management() as api:
                queue = queue_totals(api, self._world.record.vhost)[names.group_queue(GROUP)]
        except (httpx.HTTPError, KeyError):
            return None
        return int(queue.get("messages_ready", WAITING + 1)) <= WAITING

    def leaves(self) -> None:
        """Note that the broker is told to stop now."""
        self._left_at = time.time()

    @property
    def absence(self) -> tuple[float, float] | None:
        """From when to when the delay queues had no broker, or had to catch up; None if it was never away."""
        return None if self._left_at is None else (self._left_at, self._away_at + CATCHING_UP_SECONDS)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()

    def kept_up(self, begin: float, end: float) -> bool:
        """Whether every look between two moments was good, and those before and after, too."""
        first = max(0, bisect.bisect_left(self._looks, begin) - 1)
        last = min(len(self._looks), bisect.bisect_right(self._looks, end) + 1)
        return first < last and self._bad[last] == self._bad[first]


def send_delayed(world: World, events: int, longest: int, rng: random.Random) -> dict[str, tuple[float, int]]:
    """Send events to group `second`, each to come after 1 s to `longest`; gives, by id, when it was sent and its delay.

    Raises PublishError if one was not confirmed.
    """
    due: dict[str, tuple[float, int]] = {}
    sender = Sender(world.record.amqp_url(names.group_user(world.record.vhost, GROUP)))
    for first in range(0, events, BATCH):
        batch = []
        for number in range(first, min(first + BATCH, events)):
            subject, seconds = f"d-{number}", rng.randint(1, longest)
            envelope = seal(Followed(subject=subject), source=SOURCE, id=subject)
            batch.append(delayed(envelope, GROUP, seconds=seconds, generation=0, begun=False))
            due[subject] = (time.time(), seconds)
        for error in sender.send(batch):
            if error is not None:
                raise error
    sender.close()
    return due


def follow(world: World, events: int, seconds: float, watch: Watch) -> tuple[float, float, int]:
    """Wait for all effects, the broker restarted in the middle.

    Gives the worker's memory at first and at most, in MiB, and how often the broker was restarted.
    """
    restarted, first, last, deadline = False, memory(world), 0.0, time.monotonic() + seconds
    query = select(func.count()).select_from(effects)
    while time.monotonic() < deadline:
        with reading(world.engine) as connection:
            done = int(connection.execute(query).scalar_one())
        world.say(f"{done} of {events}, worker {memory(world):.0f} MiB")
        if done >= events:
            break
        if not restarted and done > events / 3:
            watch.leaves()
            restarted = world.signal("broker", signal.SIGTERM)
        last = max(last, memory(world))
        time.sleep(5)
    return first, last, int(restarted)


def memory(world: World) -> float:
    """The resident memory of the group's worker and its pool, MiB."""
    pid = world.pid(world.worker(GROUP))
    if pid is None:
        return 0.0
    try:
        whole = [psutil.Process(pid), *psutil.Process(pid).children()]
        return sum(float(process.memory_info().rss) for process in whole) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def judge(world: World, due: dict[str, tuple[float, int]], memories: tuple[float, float, int], watch: Watch) -> Result:
    """Compare effects with what was due; the store's clock and ours are one machine's."""
    query = select(effects.c.subject, func.count(), func.min(effects.c.at)).group_by(effects.c.subject)
    with reading(world.engine) as connection:
        seen = {subject: (count, at) for subject, count, at in connection.execute(query)}
    lateness = {id_: at - sum(due[id_]) for id_, (_count, at) in seen.items()}
    more = {id_: held_up(sent, seconds, watch.absence) for id_, (sent, seconds) in due.items()}
    allowed = {id_: ALLOWED_SECONDS + ALLOWED_SHARE * due[id_][1] + more[id_] for id_ in due}
    judged = {id_: late for id_, late in lateness.items() if watch.kept_up(sum(due[id_]), sum(due[id_]) + allowed[id_])}
    ordered = sorted(judged.values()) or [0.0]
    return Result(
        events=len(due),
        judged=len(judged),
        held_up=sum(1 for id_ in judged if more[id_]),
        missing=len(due.keys() - seen.keys()),
        doubled=sum(1 for count, _at in seen.values() if count > 1),
        early=sum(1 for late in lateness.values() if late < -ALLOWED_SECONDS),
        late=sum(1 for id_, late in judged.items() if late > allowed[id_]),
        lateness_p50=statistics.median(ordered),
        lateness_p99=ordered[int(len(ordered) * 0.99)],
        worst=max(lateness.values(), default=0.0),
        worker_mib_first=memories[0],
        worker_mib_last=memories[1],
        processes=1 + int(world.settings["MILLRACE_CONCURRENCY"]),
        restarts=memories[2],
    )


@click.command()
@click.option("--events", type=click.IntRange(min=1), default=200_000, show_default=True)
@click.option("--longest", type=click.IntRange(min=1), default=600, show_default=True, help="Longest delay, seconds.")
@click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True, help="Processes of the group.")
@click.option("--seed", type=int, default=1, show_default=True)
def main(events: int, longest: int, concurrency: int, seed: int) -> None:
    """Delay many events, restart the broker once, print how late each was; exit code 1 if one is wrong."""
    settings = {**SETTINGS, "MILLRACE_CONCURRENCY": str(concurrency)}
    began = time.monotonic()
    with (
        ended_by_signals(),
        running_world(
            CATALOG, lambda text: click.echo(f"{time.monotonic() - began:6.0f} s  {text}", err=True), settings=settings
        ) as world,
    ):
        world.start()
        watch = Watch(world)
        watch.start()
        due = send_delayed(world, events, longest, random.Random(seed))  # noqa: S311 (repeatable, nothing secret)
        world.say(f"{events} events delayed")
        memories = follow(world, events, longest + events / 20 + 120, watch)
        watch.stop()
        result = judge(world, due, memories, watch)
    for name, value in vars(result).items():
        click.echo(f"{name}: {value:.2f}" if isinstance(value, float) else f"{name}: {value}")
    if wrong := result.wrong():
        click.echo(f"not as it should be: {', '.join(wrong)}")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
