"""A run of the suite as it was asked for, or every so many-th scenario of it, on a stack of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from millrace.declarations import Catalog

from operations.connections import catalog
from operations.faults import cluster_faults, sample
from operations.faults.cluster_world import running_cluster
from operations.faults.own import own_subject, read_samples
from operations.faults.report import versions
from operations.faults.scenario import Subject
from operations.faults.suite import Choice, Line, Sizes, Step, run_all
from operations.faults.world import World, running_world


@dataclass(frozen=True)
class Said:
    """What a stack says of its start."""

    text: str


@dataclass(frozen=True)
class Planned:
    """How many scenarios there are, and the versions of all that takes part."""

    scenarios: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Begun:
    """A scenario begins."""

    name: str


#: What is heard of a run.
Progress = Said | Planned | Begun | Line
Hear = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was asked for, as plain data: another process can be told to do a part of it.

    Attributes:
        events: of each fault.
        again: whether what was not as it should be, with nothing lost or doubled, has a second try.
        own: your catalog and handlers instead of the suite's; with `samples` to publish, and a query that counts.
        parts, part: of so many parts, this one.
    """

    events: int
    seed: int
    full: bool = False
    only: Sequence[str] = ()
    again: bool = False
    cluster: bool = False
    own: bool = False
    samples: Path | None = None
    count: str | None = None
    database: str = "postgresql"
    server: Path | None = None
    parts: int = 1
    part: int = 0

    def go(self, hear: Hear) -> None:
        """Run it; what was started is stopped and removed afterwards. Raises LocalError, SamplesError."""
        known, settings, subject = self.subject()
        scratch = running_cluster if self.cluster else running_world
        said = lambda text: hear(Said(text))  # noqa: E731
        with scratch(known, said, settings=settings, database=self.database, server=self.server) as world:
            chosen = self._steps(world, subject)[self.part :: self.parts]
            hear(Planned(len(chosen), versions(world)))
            for line in run_all(world, chosen, lambda name: hear(Begun(name)), again=self.again):
                hear(line)

    def subject(self) -> tuple[Catalog, Mapping[str, str], Subject | None]:
        """The catalog, what the processes are told of it, and, for your own, how it is loaded and judged.

        Raises SamplesError.
        """
        if not self.own:
            return sample.CATALOG, sample.SETTINGS, None
        known = catalog()
        return known, os.environ, own_subject(known, read_samples(self.samples, known), self.count)

    def _steps(self, world: World, subject: Subject | None) -> list[tuple[str, Step]]:
        if self.cluster:
            return cluster_faults.steps(events=self.events, seed=self.seed, only=self.only, subject=subject)
        sizes = Sizes(faults=self.events)
        return Choice(sizes=sizes, seed=self.seed, full=self.full, only=self.only, own=subject).steps(world)
