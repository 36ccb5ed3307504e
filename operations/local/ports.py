"""TCP ports on the loopback interface: free ones, and who holds a taken one."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Collection, Mapping

import psutil

from operations.local.errors import LocalError

LOOPBACK = "127.0.0.1"

# Below the range that outgoing connections take theirs from, which could grab a port between choice and use.
_FREE_RANGE = range(20_000, 31_999)
_HIGHEST = 65_535


class PortsTaken(LocalError):
    """Ports that are needed are in use by somebody else."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Distinct free ports, chosen at random so that runs side by side do not meet."""
    chosen: list[int] = []
    for port in random.SystemRandom().sample(_FREE_RANGE, len(_FREE_RANGE)):
        if len(chosen) == count:
            break
        if is_free(port):
            chosen.append(port)
    return chosen


def free_among(first: int, count: int, taken: Collection[int] = ()) -> list[int]:
    """The next free ports from one on, except those in `taken`."""
    candidates = (port for port in range(first, _HIGHEST + 1) if port not in taken and is_free(port))
    return list(itertools.islice(candidates, count))


def holder(port: int) -> str | None:
    """Name and pid of the process that listens on the port, where this user may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()}, pid {connection.pid}"
            except psutil.Error:
                return f"pid {connection.pid}"
    return None


def require_free(needed: Mapping[str, int]) -> None:
    """Check ports, given by what they are for.

    Raises:
        PortsTaken: naming every taken port, its purpose and, where visible, its holder.
    """
    taken = [_describe(purpose, port) for purpose, port in needed.items() if not is_free(port)]
    if taken:
        raise PortsTaken(
            "ports must be free, got in use: "
            + "; ".join(taken)
            + ". Stop what holds them (or choose others, see docs/decisions/0301-local-ports.md), then try again."
        )


def _describe(purpose: str, port: int) -> str:
    who = holder(port)
    return f"{port} ({purpose}){f' held by {who}' if who else ''}"
