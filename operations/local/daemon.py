"""The supervisor seen from outside: start it, tell it what should run, ask what runs, stop it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
from millrace.derived import END_SECONDS

from operations.local.child import ChildStatus
from operations.local.errors import LocalError, log_tail
from operations.local.layout import REPOSITORY, Layout
from operations.local.leftovers import end_leftovers, graces
from operations.local.process_spec import ProcessSpec
from operations.local.rabbitmq_node import remove_link, write_secret
from operations.local.spawn import open_log
from operations.local.supervisor import digest

SUPERVISOR = "supervisor"


@dataclass(frozen=True, kw_only=True)
class Running:
    """What the supervisor says runs; `applied` is the digest of the fleet it last took up."""

    applied: str
    processes: tuple[ChildStatus, ...]


def supervisor_pid(layout: Layout) -> int | None:
    """The running supervisor's process id, or None."""
    try:
        with layout.lock.open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read()
                return int(text) if text.isdecimal() else None
    except FileNotFoundError:
        pass
    return None


def start_supervisor(layout: Layout, seconds: float = 20.0) -> bool:
    """Start the supervisor unless it runs; gives whether it was started.

    Raises:
        LocalError: it did not come up, with the end of its log.
    """
    if supervisor_pid(layout) is not None:
        return False
    layout.make()
    log_path = layout.log(SUPERVISOR)
    with open_log(log_path) as log:
        code = subprocess.run(  # noqa: S603 - argv is ours
            [sys.executable, "-m", "operations.local.supervisor", str(layout.root.resolve())],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=False,
        ).returncode
    if code != 0:
        raise LocalError(f"the supervisor must start, got exit code {code}; its log ends:\n{log_tail(log_path)}")
    up = f"the supervisor must come up; its log ends:\n{log_tail(log_path)}"
    wait_for(lambda: supervisor_pid(layout) is not None, seconds, lambda: up)
    return True


def apply_fleet(layout: Layout, specs: Sequence[ProcessSpec]) -> str:
    """Tell the supervisor what should run; gives the digest by which to see that it took it up."""
    content = json.dumps([spec.to_json() for spec in specs], indent=1)
    if not layout.fleet.exists() or layout.fleet.read_text() != content:
        write_secret(layout.fleet, content)
    return digest(content)


def fleet_specs(layout: Layout) -> list[ProcessSpec]:
    """What the supervisor was last told to run."""
    try:
        return [ProcessSpec.from_json(spec) for spec in json.loads(layout.fleet.read_text())]
    except FileNotFoundError:
        return []


def running(layout: Layout) -> Running:
    """What runs now; nothing if no supervisor does."""
    if supervisor_pid(layout) is None:
        return Running(applied="", processes=())
    try:
        data = json.loads(layout.processes.read_text())
    except FileNotFoundError:
        return Running(applied="", processes=())
    return Running(applied=data["applied"], processes=tuple(ChildStatus(**row) for row in data["processes"]))


def stop_supervisor(layout: Layout, seconds: float = 120.0) -> bool:
    """Stop the supervisor and all it runs, by force when the time (seconds) is over; gives whether anything ran.

    A process with a longer grace is given that.
    """
    pid = supervisor_pid(layout)
    if pid is not None:
        seconds = max([seconds, *(grace + END_SECONDS for grace in graces(layout))])
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while supervisor_pid(layout) == pid:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.05)
        _wait_until_gone(pid, END_SECONDS)
    ended = end_leftovers(layout)
    layout.fleet.unlink(missing_ok=True)
    layout.processes.unlink(missing_ok=True)
    layout.numbers.unlink(missing_ok=True)
    remove_link(layout.broker)
    return pid is not None or ended > 0


def _wait_until_gone(pid: int, seconds: float) -> None:
    """A process that has let go of its lock has a few more steps to its end."""
    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).wait(seconds)


def wait_for(condition: Callable[[], bool], seconds: float, otherwise: Callable[[], str], pause: float = 0.1) -> None:
    """Wait until the condition holds.

    Raises:
        LocalError: it did not within the time; the message is made by `otherwise`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LocalError(f"{otherwise()} (waited {seconds:.0f} s)")
        time.sleep(pause)
