"""`python -m operations.faults.delayed`: many delayed events, a broker restart, and how late each was."""

from __future__ import annotations

import random
import signal
import statistics
import time
from dataclasses import dataclass

import click
import psutil
from millrace import names
from millrace.envelope import seal
from millrace.publishing.sender import Sender
from sqlalchemy import func, select

from operations.faults.effects import effects
from operations.faults.ending import ended_by_signals
from operations.faults.load import SOURCE
from operations.faults.sample import CATALOG, SETTINGS, Followed
from operations.faults.world import World, running_world
from workers.database import reading
from workers.outgoing import delayed

GROUP = "second"
BATCH = 500
#: An event may be so late: a second, and this share of its delay.
ALLOWED_SECONDS, ALLOWED_SHARE = 1.0, 0.05
#: A worker of flat memory grows by no more, in MiB: what it takes to warm up.
FLAT_MIB = 32.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """How it went; `late` are events beyond what is allowed, `lateness` is in seconds, `restarts` of the broker."""

    events: int
    missing: int
    doubled: int
    early: int
    late: int
    lateness_p50: float
    lateness_p99: float
    worker_mib_first: float
    worker_mib_last: float
    restarts: int

    def wrong(self) -> list[str]:
        """What is not as it should be, in words."""
        checks = {
            "missing": self.missing,
            "doubled": self.doubled,
            "early": self.early,
            "late": self.late,
            "the worker's memory grew": self.worker_mib_last - self.worker_mib_first > FLAT_MIB,
            "the broker was not restarted": self.restarts == 0,
        }
        return [what for what, is_so in checks.items() if is_so]


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
            batch.append(delayed(envelope, GROUP, seconds=seconds, generation=0))
            due[subject] = (time.time(), seconds)
        for error in sender.send(batch):
            if error is not None:
                raise error
    sender.close()
    return due


def follow(world: World, events: int, seconds: float) -> tuple[float, float, int]:
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


def judge(world: World, due: dict[str, tuple[float, int]], memories: tuple[float, float, int]) -> Result:
    """Compare effects with what was due; the store's clock and ours are one machine's."""
    query = select(effects.c.subject, func.count(), func.min(effects.c.at)).group_by(effects.c.subject)
    with reading(world.engine) as connection:
        seen = {subject: (count, at) for subject, count, at in connection.execute(query)}
    lateness = {id_: at - sum(due[id_]) for id_, (_count, at) in seen.items()}
    ordered = sorted(lateness.values()) or [0.0]
    allowed = {id_: ALLOWED_SECONDS + ALLOWED_SHARE * seconds for id_, (_sent, seconds) in due.items()}
    return Result(
        events=len(due),
        missing=len(due.keys() - seen.keys()),
        doubled=sum(1 for count, _at in seen.values() if count > 1),
        early=sum(1 for late in ordered if late < -ALLOWED_SECONDS),
        late=sum(1 for id_, late in lateness.items() if late > allowed[id_]),
        lateness_p50=statistics.median(ordered),
        lateness_p99=ordered[int(len(ordered) * 0.99)],
        worker_mib_first=memories[0],
        worker_mib_last=memories[1],
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
        due = send_delayed(world, events, longest, random.Random(seed))  # noqa: S311 (repeatable, nothing secret)
        world.say(f"{events} events delayed")
        result = judge(world, due, follow(world, events, longest + events / 20 + 120))
    for name, value in vars(result).items():
        click.echo(f"{name}: {value:.2f}" if isinstance(value, float) else f"{name}: {value}")
    if wrong := result.wrong():
        click.echo(f"not as it should be: {', '.join(wrong)}")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
