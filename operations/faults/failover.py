"""A failover of PostgreSQL: the primary is killed for good, and its synchronous standby takes its place."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from operations.faults.full_disk import POSTGRES, data_of, server
from operations.faults.postgres import as_unprivileged, find_postgres
from operations.faults.scenario import Fault, Scene
from operations.faults.world import World
from operations.local.daemon import wait_for
from operations.local.errors import LocalError
from operations.local.ports import LOOPBACK, free_ports
from operations.local.process_spec import ProcessSpec
from workers.database import reading

STANDBY = "standby"
START_SECONDS, PROMOTE_SECONDS = 60.0, 30.0


def fail_over(scene: Scene, _rng: random.Random) -> bool:
    """SIGKILL the primary, promote the standby, and have it listen where the primary did."""
    world = scene.world
    standby = next(spec for spec in world.told() if spec.name == STANDBY)
    rest = [spec for spec in world.told() if spec.name not in (POSTGRES, STANDBY)]
    if not (_is_replicated(world) and world.signal(POSTGRES, signal.SIGKILL)):
        return False
    world.only([*rest, standby])
    _run("pg_ctl", "promote", "-w", "-t", f"{PROMOTE_SECONDS:.0f}", "-D", str(data_of(standby)))
    world.only(rest)
    promoted = listening(dataclasses.replace(standby, name=POSTGRES), port_of(server(world)))
    world.servers = tuple(promoted if spec.name == POSTGRES else spec for spec in world.servers)
    world.only([*rest, promoted])
    world.planned[POSTGRES] = 0
    return True


@contextmanager
def with_standby(world: World) -> Iterator[None]:
    """A standby that every commit waits for; whoever is the primary at the end stays the stack's database.

    Raises:
        NotHere: the stack's database is not PostgreSQL.
    """
    usual = server(world)
    data = data_of(usual).parent / f"standby-{time.time_ns():x}"
    standby = listening(_on(dataclasses.replace(usual, name=STANDBY), data), free_ports(1)[0])
    others = tuple(spec for spec in world.servers if spec.name != POSTGRES)
    waiting = dataclasses.replace(usual, argv=(*usual.argv, "-c", "synchronous_standby_names=*"))
    world.only(world.servers)
    _back_up(world, data)
    world.servers = (waiting, standby, *others)
    try:
        world.only((usual, standby, *others))
        world.only((standby, *others))
        world.only(world.servers)
        wait_for(lambda: _is_replicated(world), START_SECONDS, lambda: "the standby must stream from the primary")
        yield
    finally:
        primary = server(world)
        kept = usual if primary is waiting else primary
        world.servers = (kept, *others)
        world.only(others)
        world.only(world.servers)


def _back_up(world: World, data: Path) -> None:
    url = make_url(world.record.database_url)
    login = ("-h", LOOPBACK, "-p", str(url.port), "-U", str(url.username), "--no-password")
    wait_for(lambda: _asks(world, "SELECT 1") == 1, START_SECONDS, lambda: "PostgreSQL must answer")
    _run("pg_basebackup", *login, "-D", str(data), "-R", "-c", "fast", "--no-sync", password=url.password)


def _is_replicated(world: World) -> bool:
    return _asks(world, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1


def _asks(world: World, query: str) -> int:
    try:
        with reading(world.engine) as connection:
            return int(connection.execute(text(query)).scalar_one())
    except SQLAlchemyError:
        return -1


def listening(spec: ProcessSpec, port: int) -> ProcessSpec:
    """The same server on another port."""
    return dataclasses.replace(spec, argv=tuple(f"port={port}" if "port=" in part else part for part in spec.argv))


def port_of(spec: ProcessSpec) -> int:
    """Where a server listens."""
    return int(next(part for part in spec.argv if part.startswith("port=")).removeprefix("port="))


def _on(spec: ProcessSpec, data: Path) -> ProcessSpec:
    usual = str(data_of(spec))
    return dataclasses.replace(spec, argv=tuple(str(data) if part == usual else part for part in spec.argv))


def _run(program: str, *arguments: str, password: str | None = None) -> None:
    """Run one of PostgreSQL's programs as its user; raises LocalError with what it said."""
    programs = find_postgres()
    assert programs is not None  # its server runs
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    argv = [*as_unprivileged(), str(programs / program), *arguments]
    done = subprocess.run(argv, env=environment, cwd="/", check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode != 0:
        raise LocalError(f"{program} must succeed, got: {done.stderr.strip()[-1000:]}")


FAULTS = (Fault(name="failover of the database", inject=fail_over, injections=1, around=with_standby, lasting=15.0),)
