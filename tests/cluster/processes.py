"""The processes of one control plane: they end with the run, in order or not."""

from __future__ import annotations

import signal
import ssl
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from operations.local.process_spec import ProcessSpec
from operations.local.spawn import open_log, signal_group, spawn
from tests.cluster.programs import Programs

START_SECONDS = 60.0
END_SECONDS = 10.0
LAST_WORDS = 2000


@dataclass
class Processes:
    """What was started, in that order; each logs to a file of its own."""

    programs: Programs
    directory: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a program; nothing is waited for."""
        argv = (str(self.programs.program(name)), *arguments)
        spec = ProcessSpec(name=name, argv=argv, cwd=str(self.directory), env=environment or {})
        with open_log(self._log(name)) as log:
            self.running[name] = spawn(spec, log, when_parent_dies=signal.SIGKILL)

    def answers(self, name: str, url: str, trusted: ssl.SSLContext) -> None:
        """Wait until the program answers 200 there."""
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(verify=trusted, timeout=2, trust_env=False) as client:
            while not _is_ok(client, url):
                if self.running[name].poll() is not None or time.monotonic() > deadline:
                    said = self._log(name).read_text(errors="replace")[-LAST_WORDS:]
                    raise RuntimeError(f"{name} must answer at {url} within {START_SECONDS:g} s, got:\n{said}")
                time.sleep(0.05)

    def stop(self) -> None:
        """Kill all of them: what they know is not kept."""
        for process in reversed(self.running.values()):
            signal_group(process.pid, signal.SIGKILL)
        for process in self.running.values():
            process.wait(END_SECONDS)
        self.running.clear()

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"


def _is_ok(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
