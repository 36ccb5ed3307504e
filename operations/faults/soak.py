"""`python -m operations.faults.soak`: a steady load for hours, a fault every few minutes, and what grows meanwhile."""

from __future__ import annotations

import dataclasses
import random
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import click
import psutil

from operations.faults.chaos import chaos
from operations.faults.ending import ended_by_signals
from operations.faults.sample import CATALOG, SETTINGS
from operations.faults.scenario import run_scenario
from operations.faults.suite import FAULTS, beyond
from operations.faults.world import World, running_world
from operations.local.daemon import running

SAMPLE_SECONDS = 10.0
#: A process that ran for less says nothing of a slope; what it takes to warm up is left out.
LEAST_SECONDS, WARM_UP_SECONDS = 300.0, 120.0
MIB, HOUR = 2**20, 3600.0
#: A process may grow by so much an hour; told, not judged, of a run that is too short to tell.
MOST_MIB_AN_HOUR, JUDGED_MINUTES = 1.0, 120

Points = list[tuple[float, float]]


@dataclass
class Memory:
    """The resident memory of every process of the fleet and its pool: by role and process id, (seconds, MiB)."""

    points: dict[tuple[str, int], Points] = field(default_factory=lambda: defaultdict(list))

    def take(self, world: World) -> None:
        """Note what each process has now."""
        for status in running(world.layout).processes:
            if status.pid is None:
                continue
            try:
                process = psutil.Process(status.pid)
                self._note(status.name, process)
                for child in process.children():
                    self._note(f"{status.name}'s pool", child)
            except psutil.NoSuchProcess:
                continue

    def _note(self, role: str, process: psutil.Process) -> None:
        self.points[role, process.pid].append((time.monotonic(), process.memory_info().rss / MIB))

    def slopes(self) -> dict[str, float]:
        """MiB an hour for each role: of the processes that ran for long enough, weighted by how long they ran."""
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for (role, _pid), points in self.points.items():
            if (known := slope(points)) is not None:
                found[role].append((points[-1][0] - points[0][0], known))
        return {
            role: sum(length * each for length, each in known) / sum(length for length, _each in known)
            for role, known in sorted(found.items())
        }


def slope(points: Points) -> float | None:
    """MiB an hour of one process, its warm-up left out; None if it ran for too short a time."""
    if not points or points[-1][0] - points[0][0] < LEAST_SECONDS:
        return None
    warm = [point for point in points if point[0] - points[0][0] >= WARM_UP_SECONDS]
    times, sizes = zip(*warm, strict=True)
    return statistics.linear_regression(times, sizes).slope * HOUR


@contextmanager
def sampled(world: World) -> Iterator[Memory]:
    """Note the memory of all processes, every ten seconds, as long as the block runs."""
    memory, over = Memory(), threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            memory.take(world)

    thread = threading.Thread(target=sample, name="memory", daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


def held_open(world: World) -> Mapping[str, int]:
    """How many connections and channels the broker has."""
    with world.management() as api:
        counts = api.get("/api/overview").raise_for_status().json()["object_totals"]
    return {name: int(counts[name]) for name in ("connections", "channels")}


@click.command()
@click.option("--minutes", type=click.IntRange(min=6), default=240, show_default=True)
@click.option("--rate", type=click.IntRange(min=1), default=50, show_default=True, help="Events a second.")
@click.option("--every", type=click.IntRange(min=5), default=300, show_default=True, help="Seconds between faults.")
@click.option("--seed", type=int, default=1, show_default=True, help="Draws the same faults again.")
def main(minutes: int, rate: int, every: int, seed: int) -> None:
    """Load a scratch stack steadily, hurt it now and then; print what was lost or doubled and how memory grew.

    Exit code 1 if a line is red, connections or channels grew, or, in two hours and more, a process grew by more than
    1 MiB an hour.
    """
    began, drawn = time.monotonic(), random.Random(seed).randrange(10**6)  # noqa: S311 (repeatable, nothing secret)
    fault = dataclasses.replace(chaos(list(FAULTS.values()), every), name="soak", lasting=minutes * 60.0)
    with (
        ended_by_signals(),
        running_world(
            CATALOG, lambda text: click.echo(f"{time.monotonic() - began:6.0f} s  {text}", err=True), settings=SETTINGS
        ) as world,
    ):
        world.start()
        before = held_open(world)
        with sampled(world) as memory:
            outcome = run_scenario(world, fault, events=minutes * 60 * rate, seed=drawn, settle=300)
        after = held_open(world)
    click.echo(f"{outcome.events} events, {outcome.injections} faults, {outcome.verdict.counts() or 'no line is red'}")
    for name, count in after.items():
        click.echo(f"{name}: {before[name]} before, {count} after")
    for role, rise in memory.slopes().items():
        click.echo(f"{role}: {rise:+.1f} MiB an hour")
    wrong = [*beyond(outcome, fault), *(name for name in before if after[name] > before[name])]
    if outcome.injections < fault.required:
        wrong.append(f"fewer than {fault.required} faults")
    if minutes >= JUDGED_MINUTES:
        wrong += [role for role, rise in memory.slopes().items() if rise > MOST_MIB_AN_HOUR]
    if wrong:
        click.echo(f"not as it should be: {', '.join(wrong)}")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
