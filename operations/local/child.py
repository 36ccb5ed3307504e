"""One supervised process: started, restarted with back-off when it dies, ended within its grace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psutil

from operations.local.layout import Layout
from operations.local.management import accepts_connections
from operations.local.process_spec import ProcessSpec
from operations.local.spawn import open_log, signal_group, spawn

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
STEADY_SECONDS = 30.0

State = Literal["waiting", "running", "backing off", "stopping", "stopped"]


@dataclass(frozen=True, kw_only=True)
class ChildStatus:
    """What is known of a process; `since` is when its state began, in seconds since 1970."""

    name: str
    state: State
    pid: int | None
    created: float | None
    restarts: int
    since: float
    version: str


class Child:
    """The life of one process; `tick` moves it on and never blocks."""

    def __init__(self, spec: ProcessSpec, layout: Layout, say: Callable[[str], None]) -> None:
        self.spec = spec
        self._layout = layout
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._created: float | None = None
        self._state: State = "waiting"
        self._since = time.time()
        self._started_at = 0.0
        self._not_before = 0.0
        self._kill_at = 0.0
        self._delay = FIRST_DELAY
        self._restarts = 0

    @property
    def status(self) -> ChildStatus:
        """Its state now."""
        pid = self._process.pid if self._process else None
        return ChildStatus(
            name=self.spec.name,
            state=self._state,
            pid=pid,
            created=self._created,
            restarts=self._restarts,
            since=round(self._since, 3),
            version=self.spec.version,
        )

    @property
    def stopped(self) -> bool:
        """Whether it was asked to stop and is gone."""
        return self._state == "stopped"

    def tick(self) -> None:
        """Notice its death, start it when due, kill it when its grace is over."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is not None:
            self._ended(now)
        if self._state == "stopping" and now >= self._kill_at and self._process is not None:
            self._say(f"{self.spec.name} did not end within {self.spec.grace:.0f} s of SIGTERM; killing it")
            signal_group(self._process.pid, signal.SIGKILL)
            self._kill_at = now + self.spec.grace
        elif self._state in ("waiting", "backing off") and now >= self._not_before:
            if all(accepts_connections(port) for port in self.spec.waits_for):
                self._start(now)
            else:
                self._become("waiting")

    def begin_stop(self) -> None:
        """Ask it to end; `tick` sees to the rest."""
        if self._state in ("stopping", "stopped"):
            return
        if self._process is None:
            self._become("stopped")
            return
        self._become("stopping")
        self._kill_at = time.monotonic() + self.spec.grace
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)

    def _start(self, now: float) -> None:
        try:
            with open_log(self._layout.log(self.spec.name)) as log:
                self._process = spawn(self.spec, log, when_parent_dies=signal.SIGTERM)
        except (OSError, subprocess.SubprocessError) as error:
            self._say(f"{self.spec.name} could not be started: {error}; trying again in {self._delay:g} s")
            self._back_off(now)
            return
        self._created = _created(self._process.pid)
        self._started_at = now
        self._become("running")
        self._say(f"{self.spec.name} started, pid {self._process.pid}")

    def _ended(self, now: float) -> None:
        process, self._process, self._created = self._process, None, None
        assert process is not None
        # What it started must not outlive it: its successor would meet it.
        signal_group(process.pid, signal.SIGKILL)
        if self._state == "stopping":
            self._become("stopped")
            self._say(f"{self.spec.name} stopped, {how_it_ended(process.returncode)}")
            return
        alive = now - self._started_at
        if alive >= STEADY_SECONDS:
            self._delay = FIRST_DELAY
            if process.returncode == 0:
                self._say(f"{self.spec.name} ended by itself after {alive:.0f} s (its log says why); starting another")
                self._not_before = now
                self._become("waiting")
                return
        how = how_it_ended(process.returncode)
        self._say(f"{self.spec.name} died after {alive:.1f} s, {how}; starting it again in {self._delay:g} s")
        self._back_off(now)

    def _back_off(self, now: float) -> None:
        self._restarts += 1
        self._not_before = now + self._delay
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        self._become("backing off")

    def _become(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._since = time.time()


def how_it_ended(code: int) -> str:
    """An exit code in words; negative ones are signals."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _created(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
