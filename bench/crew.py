"""The processes of a contender: started, held, looked at and ended by their own ids."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from operations.local.daemon import wait_for
from operations.local.spawn import dies_with_parent, signal_group

ROOT = Path(__file__).resolve().parents[1]
#: What else of this run takes CPU: who it counts for, by the names of its processes.
_SERVERS = {"beam.smp": "broker", "postgres": "database", "redis-server": "database"}
WHO = ("client", "broker", "database")
MIB = 1024 * 1024
GRACE_SECONDS = 20.0


class Crew:
    """Runs commands, each with its log, until the block ends."""

    def __init__(
        self, commands: Sequence[Sequence[str]], environment: Mapping[str, str], log: Path, *, talks: bool = False
    ) -> None:
        self._commands = commands
        self._environment = {**os.environ, **environment}
        self._log = log
        self._talks = talks
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with self._log.open("wb") as output:
            for command in self._commands:
                process = subprocess.Popen(  # noqa: S603 - argv is ours
                    command,
                    cwd=ROOT,
                    env=self._environment,
                    stdin=subprocess.PIPE if self._talks else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if self._talks else output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - from the one thread there is
                )
                self._started.append(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started:
            with suppress(ProcessLookupError):
                process.terminate()
        for process in self._started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            signal_group(process.pid, signal.SIGKILL)  # what it has left behind, or itself
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def require_alive(self) -> None:
        """Raise with what was said if one of the processes has ended."""
        ended = [process.returncode for process in self._started if process.poll() is not None]
        if ended:
            raise RuntimeError(f"ended with {ended[0]}: {self.said()}")

    def wait_until(self, met: Callable[[], object], seconds: float, what: str, pause: float = 0.02) -> None:
        """Wait for something that the processes bring about; raises if one ends before, or it does not come in time."""

        def is_there() -> bool:
            if met():
                return True
            self.require_alive()
            return False

        wait_for(is_there, seconds, lambda: f"{what} must come, got none: {self.said()}", pause)

    def hear(self) -> str:
        """The next line of the one process that talks."""
        (process,) = self._started
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        if not line:
            process.wait(GRACE_SECONDS)
            self.require_alive()
        return line

    def tell(self) -> None:
        """Send the one process that talks a line."""
        (process,) = self._started
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()

    def said(self, characters: int = 1500) -> str:
        """The end of what the processes have said."""
        return self._log.read_text(errors="replace")[-characters:]

    def processes(self) -> list[psutil.Process]:
        """All processes that there are now."""
        found = []
        for process in self._started:
            with suppress(psutil.NoSuchProcess):
                root = psutil.Process(process.pid)
                found += [root, *root.children(recursive=True)]
        return found

    @contextmanager
    def held(self) -> Iterator[None]:
        """All of them stand still in the block."""
        held = self.processes()
        for process in held:
            process.suspend()
        yield
        for process in reversed(held):
            process.resume()

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, of these processes and of the run's servers."""
        spent = dict.fromkeys(WHO, 0.0)
        own = {process.pid for process in self.processes()}
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                who = "client" if process.pid in own else _SERVERS.get(process.name())
                if who is not None:
                    times = process.cpu_times()
                    spent[who] += times.user + times.system
        return spent

    def memory(self) -> dict[str, float]:
        """MiB of all processes together: PSS counts what several share once."""
        full = [process.memory_full_info() for process in self.processes()]
        return {"pss_mib": sum(each.pss for each in full) / MIB, "rss_mib": sum(each.rss for each in full) / MIB}
