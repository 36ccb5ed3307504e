"""Out of memory: a worker in a memory group of the kernel, and attempts that take more than the group may have.

Both interfaces of the kernel are known (cgroup v1 and v2). Where no group can be made the scenario is skipped.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from operations.faults.armed import GROUP_VARIABLE
from operations.faults.crash_points import BEFORE_COMMIT, GO, Order
from operations.faults.limits import within
from operations.faults.scenario import Fault, NotHere, Scene
from operations.faults.world import World
from operations.local.errors import LocalError

MIB = 2**20
#: Room for a worker with its pool (about 150 MiB), and far less than an attempt then takes.
LIMIT_MIB = 400
KILLS = 8
#: How long the kills may take to come, in seconds.
PATIENCE_SECONDS = 30.0
MOUNTS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))


@dataclass(frozen=True, kw_only=True)
class Files:
    """What the files of a memory group are called: its limit, that of its swap (what is written to it), its kills."""

    limit: str
    swap: str
    swap_value: str
    kills: str


V1 = Files(
    limit="memory.limit_in_bytes",
    swap="memory.memsw.limit_in_bytes",
    swap_value=str(LIMIT_MIB * MIB),
    kills="memory.oom_control",
)
V2 = Files(limit="memory.max", swap="memory.swap.max", swap_value="0", kills="memory.events")


@dataclass(frozen=True, kw_only=True)
class MemoryGroup:
    """A group of processes that may have so much memory together."""

    path: Path

    @property
    def members(self) -> Path:
        """The file that a process's id is written to."""
        return self.path / "cgroup.procs"

    @property
    def _files(self) -> Files:
        return V1 if (self.path / V1.limit).exists() else V2

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Make the group for as long as the block runs; what is still in it then goes to the group above.

        Raises:
            NotHere: the group cannot be made, or the kernel does not limit it.
        """
        try:
            self.path.mkdir()
        except OSError as error:
            raise NotHere(f"a memory group must be made, got {error}; run as root, with a writable /sys") from None
        try:
            self._limit()
            yield
        finally:
            self._remove()

    def _limit(self) -> None:
        try:
            (self.path / self._files.limit).write_text(str(LIMIT_MIB * MIB))
            if (self.path / self._files.swap).exists():
                (self.path / self._files.swap).write_text(self._files.swap_value)
            self.kills()
        except (OSError, ValueError) as error:
            raise NotHere(f"the kernel must limit and count the memory of {self.path}, got {error}") from None

    def _remove(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while members := self.members.read_text().split():  # what is left may fork meanwhile
            for pid in members:
                with suppress(ProcessLookupError):
                    (self.path.parent / "cgroup.procs").write_text(pid)
            if time.monotonic() > deadline:
                raise LocalError(f"the memory group {self.path} must become empty, got {len(members)} processes")
        self.path.rmdir()

    def kills(self) -> int:
        """How many of its processes the kernel has ended; raises ValueError if the kernel does not count them."""
        for line in (self.path / self._files.kills).read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
        raise ValueError(f"{self._files.kills} must have a line oom_kill, got none")


def memory_group(name: str) -> MemoryGroup:
    """The group of that name in the hierarchy that this machine has; it may be that it cannot be made."""
    mount = next((place for place in MOUNTS if (place / "cgroup.procs").exists()), MOUNTS[-1])
    return MemoryGroup(path=mount / name)


def out_of_memory(directory: Path, group: MemoryGroup | None = None) -> Fault:
    """Attempts of `first` take more memory than their worker may have: the kernel kills the process of each."""
    directory.mkdir(parents=True)
    known = group or memory_group(f"millrace-faults-{os.getpid()}")
    order = Order(point=BEFORE_COMMIT, count=KILLS, chance=0.3, directory=directory, how="gorge")

    @contextmanager
    def around(_world: World) -> Iterator[None]:
        with known.limited():
            yield

    def wait_for_kills(_scene: Scene, _rng: random.Random) -> int:
        (directory / GO).touch()
        within(lambda: known.kills() >= KILLS, PATIENCE_SECONDS)
        return known.kills()

    return Fault(
        name="out of memory",
        inject=wait_for_kills,
        injections=1,
        least=5,
        heal=lambda _world: (directory / GO).unlink(missing_ok=True),
        around=around,
        arming={"worker-first": {**order.as_environment(), GROUP_VARIABLE: str(known.members)}},
    )
