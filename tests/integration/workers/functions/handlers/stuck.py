"""A function that does not end."""

from __future__ import annotations

import threading


def handler(_event: object, _context: object) -> None:
    """Wait for ever."""
    threading.Event().wait()
