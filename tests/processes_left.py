"""Which processes a test run has left behind."""

from __future__ import annotations

from pathlib import Path

import psutil


def processes_left(directory: Path) -> list[str]:
    """This process's children, and whatever else was told of the run's temporary directory, as one line each."""
    children = set(psutil.Process().children(recursive=True))
    return [_line(each) for each in psutil.process_iter() if each in children or _knows(each, str(directory))]


def _knows(process: psutil.Process, directory: str) -> bool:
    if process.pid == psutil.Process().pid:
        return False
    try:
        told = (*process.cmdline(), process.cwd(), *process.environ().values())
    except psutil.Error:  # gone by now, a zombie, or another user's
        return False
    return any(directory in each for each in told)


def _line(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.Error:
        return f"{process.pid} {process.name() if process.is_running() else 'gone'}"
