"""An own Redis for a test run, on a free loopback port, with its files in a fresh directory."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from operations.local.ports import LOOPBACK, free_ports


def find_redis() -> str | None:
    """The server's program, or None."""
    return shutil.which("redis-server")


@dataclass
class RedisServer:
    """One server; `more` are options as `redis-server --OPTION VALUE` takes them."""

    program: str
    directory: Path
    more: tuple[str, ...] = ()
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Database 0."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        own = ("--bind", LOOPBACK, "--port", str(self.port), "--dir", str(self.directory), "--save", "")
        log = self.directory / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [self.program, *own, *self.more], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        deadline = time.monotonic() + 10
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Redis must start within 10 s, got:\n{log.read_text()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with closing(redis.Redis.from_url(self.url)) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def kill(self) -> None:
        """Crash the server."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server in order."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None


@contextmanager
def running_redis(program: str, *more: str) -> Iterator[RedisServer]:
    """Run a server in a fresh directory."""
    directory = Path(tempfile.mkdtemp(prefix="millrace-redis-"))
    server = RedisServer(program, directory, more)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)
