"""A full disk below PostgreSQL: its data on a small file system of its own, filled by a file while the load runs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.faults.limits import within
from operations.faults.postgres import answers
from operations.faults.scenario import Fault, NotHere, Scene
from operations.faults.world import World
from operations.local.daemon import wait_for
from operations.local.process_spec import ProcessSpec

#: What the file system has besides the data; PostgreSQL takes some of it for its log.
ROOM_MIB, LOG_MIB, MIB = 512, 64, 2**20
#: How long it stays full once PostgreSQL has met it, and how long that may take, in seconds.
FULL_SECONDS, PATIENCE_SECONDS = 8.0, 25.0
BACK_SECONDS = 60.0
NO_SPACE = "No space left on device"
POSTGRES, FILLER = "postgres", "filler"


def fill_disk(scene: Scene, _rng: random.Random) -> bool:
    """Fill the file system to its last byte, for a while after PostgreSQL has complained of it."""
    world = scene.world
    filler = data_of(server(world)).parent / FILLER
    before = _complaints(world)
    fill(filler)
    try:
        met = within(lambda: _complaints(world) > before, PATIENCE_SECONDS)
        time.sleep(FULL_SECONDS if met else 0)
    finally:
        filler.unlink()
    wait_for(lambda: answers(world.engine), BACK_SECONDS, lambda: "PostgreSQL must answer when its disk has room again")
    # It may have ended itself, and again as long as it had no room to recover in.
    world.planned[POSTGRES] = world.restarts()[POSTGRES]
    return met


def fill(path: Path) -> None:
    """Write a file until there is no room for another byte."""
    with path.open("wb", buffering=0) as file:
        for size in (MIB, 512):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass


def _complaints(world: World) -> int:
    return world.layout.log(POSTGRES).read_text(errors="replace").count(NO_SPACE)


@contextmanager
def small_disk(world: World) -> Iterator[None]:
    """PostgreSQL's data on a small file system for as long as the block runs; raises NotHere if it cannot be."""
    usual = server(world)
    place = world.layout.root.parent / "small-disk"
    data = data_of(usual)
    mounted = False
    others = [spec for spec in world.servers if spec.name != POSTGRES]
    world.only(others)
    try:
        mount(place, _mib(data) + ROOM_MIB)
        mounted = True
        _copy(data, place / "data")
        shutil.chown(place, *_owner(data))
        moved = moved_to(usual, place / "data")
        world.servers = tuple(moved if spec is usual else spec for spec in world.servers)
        yield
        world.only(others)
        shutil.rmtree(data)
        _copy(place / "data", data)
    finally:
        try:
            world.only(others)
        finally:
            if mounted:
                _run("umount", "--lazy", str(place))
        world.servers = tuple(usual if spec.name == POSTGRES else spec for spec in world.servers)
        world.only(world.servers)
        wait_for(
            lambda: answers(world.engine), BACK_SECONDS, lambda: "PostgreSQL must answer when it is back on its disk"
        )


def server(world: World) -> ProcessSpec:
    """The process of PostgreSQL; raises NotHere if the stack has another database."""
    for spec in world.servers:
        if spec.name == POSTGRES:
            return spec
    raise NotHere("the database must be PostgreSQL, got another")


def data_of(spec: ProcessSpec) -> Path:
    """The data directory of a server."""
    return Path(spec.argv[spec.argv.index("-D") + 1])


def moved_to(spec: ProcessSpec, data: Path) -> ProcessSpec:
    """The same server on other data, and with a log that stays small."""
    at = spec.argv.index("-D") + 1
    argv = (*spec.argv[:at], str(data), *spec.argv[at + 1 :])
    return dataclasses.replace(spec, argv=(*argv, "-c", f"max_wal_size={LOG_MIB}MB", "-c", "min_wal_size=32MB"))


def mount(place: Path, mib: int) -> None:
    """Mount a file system in memory; raises NotHere if that is not allowed."""
    place.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        raise NotHere("a small file system must be mounted, which needs root, got another user")
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", str(place))
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise NotHere(f"a small file system must be mounted, got: {said.strip()}") from None


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True)  # noqa: S603 (argv is ours)


def _copy(source: Path, target: Path) -> None:
    _run("cp", "-a", str(source), str(target))


def _mib(data: Path) -> int:
    return sum(path.stat().st_size for path in data.rglob("*") if path.is_file()) // MIB + 1


def _owner(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


FAULTS = (Fault(name="full disk of the database", inject=fill_disk, injections=3, around=small_disk, lasting=30.0),)
