"""What a process of the local stack is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One process that should run.

    Attributes:
        env: set on top of the environment the stack was started with.
        version: any text; when it changes, the process is replaced.
        grace: seconds between SIGTERM and SIGKILL.
        stop_rank: lower ranks are stopped first.
        waits_for: loopback ports that must accept a connection before it is started.
        replica_of: the group whose number of workers decides whether it runs; empty for what always does.
        replica: it runs while that number is no lower; 1 for the group's first worker.
        at_first: whether it runs while no number is known.
    """

    name: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    grace: float = 20.0
    stop_rank: int = 10
    waits_for: tuple[int, ...] = ()
    replica_of: str = ""
    replica: int = 1
    at_first: bool = True

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "argv": list(self.argv),
            "cwd": self.cwd,
            "env": dict(self.env),
            "version": self.version,
            "grace": self.grace,
            "stop_rank": self.stop_rank,
            "waits_for": list(self.waits_for),
            "replica_of": self.replica_of,
            "replica": self.replica,
            "at_first": self.at_first,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProcessSpec:
        """From what `to_json` gave."""
        return cls(**{**data, "argv": tuple(data["argv"]), "waits_for": tuple(data["waits_for"])})
