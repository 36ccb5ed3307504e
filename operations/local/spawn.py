"""Starting and ending child processes that must not outlive their parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from operations.local.process_spec import ProcessSpec

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

# A broker or an Erlang of the machine must not leak its settings into ours, nor a person's AWS account its login.
_FOREIGN_SETTINGS = ("RABBITMQ_", "ERL_", "ERLANG_", "AWS_", "LOCALSTACK_")


def spawn(spec: ProcessSpec, log: IO[bytes], *, when_parent_dies: signal.Signals) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own; where the system can, it gets a signal when this one dies."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_SETTINGS)}
    return subprocess.Popen(  # noqa: S603 - argv is ours
        spec.argv,
        cwd=spec.cwd,
        env={**inherited, **spec.env},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=dies_with_parent(when_parent_dies),  # noqa: PLW1509 - called from the one thread there is
    )


def dies_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a child does before it becomes its program, to get a signal when this process dies; None if it cannot."""
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)

    return ask


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process and all it started, if any of them is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def stop(process: subprocess.Popen[bytes], grace: float) -> int:
    """Ask the process to end, wait, and end its whole group if it does not; gives its exit code."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    signal_group(process.pid, signal.SIGKILL)
    return process.wait()


def open_log(path: Path, limit: int = 20 * 1024 * 1024) -> IO[bytes]:
    """Open a log for appending; one over the limit, in bytes, is first moved to `NAME.1`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > limit:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")
