"""What can go wrong on this machine, said so that a person can act on it."""

from __future__ import annotations

from pathlib import Path


class LocalError(Exception):
    """A step on this machine failed; the message says what, why and what to do next."""


def log_tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log file, indented, or a word on why there are none."""
    try:
        with path.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 64 * 1024))
            text = log.read().decode("utf-8", "replace")
    except OSError as error:
        return f"    (no log: {error})"
    last = [line for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(f"    {line}" for line in last) or "    (the log is empty)"
