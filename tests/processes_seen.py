"""What is seen of processes from outside; one that has ended meanwhile shows nothing."""

from __future__ import annotations

from collections.abc import Sequence

import psutil


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which only waits for whoever started or inherited it."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def listening(process: psutil.Process) -> set[str]:
    """The addresses at which a process listens."""
    try:
        found = process.net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return set()
    return {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}


def command(process: psutil.Process) -> Sequence[str]:
    """A process's command line."""
    try:
        found: list[str] = process.cmdline()
    except psutil.NoSuchProcess:
        return []
    return found
