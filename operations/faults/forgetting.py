"""Redis as the inbox, killed with all that it knew: what the level BEST_EFFORT promises is that nothing is lost.

It promises no more (decision 0407): an event whose record is gone may be done again, so doubles are counted and
tolerated; lost effects, dead letters and events without an outcome are not.
"""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe

import redis

from operations.faults import judging
from operations.faults.scenario import Fault, NotHere, Scene
from operations.faults.world import World
from operations.local.daemon import wait_for
from operations.local.management import accepts_connections
from operations.local.ports import LOOPBACK, free_ports
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import write_secret

REDIS = "redis"
HANDLERS = "operations.faults.forgetful_handlers"
START_SECONDS = 20.0


def forgetting(directory: Path) -> Fault:
    """Kill a Redis without persistence that is the inbox of every group; the supervisor starts it, empty."""
    directory.mkdir(parents=True)
    port, password = free_ports(1)[0], token_urlsafe(16)

    @contextmanager
    def around(world: World) -> Iterator[None]:
        usual = world.servers
        world.servers = (*usual, redis_process(directory, port, password))
        try:
            world.only(world.servers)
            wait_for(lambda: accepts_connections(port), START_SECONDS, lambda: "Redis must take connections")
            yield
        finally:
            world.servers = usual
            world.only(usual)

    def kill_redis(scene: Scene, _rng: random.Random) -> bool:
        return known() > 0 and scene.world.signal(REDIS, signal.SIGKILL)

    def known() -> int:
        """How many events it remembers: a loss of none would show nothing."""
        try:
            with redis.Redis.from_url(inbox, socket_timeout=1) as client:
                return int(client.dbsize())
        except redis.RedisError:
            return 0

    inbox = f"redis://:{password}@{LOOPBACK}:{port}/0"
    return Fault(
        name="Redis as inbox, killed",
        inject=kill_redis,
        around=around,
        arming={"*": {"MILLRACE_INBOX_URL": inbox, "MILLRACE_HANDLERS": HANDLERS}},
        lasting=15.0,
        tolerated=frozenset({judging.DOUBLED, judging.CALLED_TWICE}),
    )


def redis_process(directory: Path, port: int, password: str) -> ProcessSpec:
    """A Redis that keeps nothing on disk and evicts nothing; raises NotHere if there is none on this machine."""
    program = shutil.which("redis-server")
    if program is None:
        raise NotHere("Redis must be on this machine, got none; install redis-server")
    settings = {"bind": LOOPBACK, "port": port, "dir": directory, "requirepass": password}
    settings |= {"save": '""', "appendonly": "no", "maxmemory-policy": "noeviction"}
    configuration = directory / "redis.conf"
    write_secret(configuration, "".join(f"{name} {value}\n" for name, value in settings.items()))
    return ProcessSpec(name=REDIS, argv=(program, str(configuration)), cwd=str(directory), stop_rank=95, grace=5.0)
