"""One `up` or `down` at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from operations.local.errors import LocalError
from operations.local.layout import Layout


@contextmanager
def only_one(layout: Layout, what: str) -> Iterator[None]:
    """Keep others out while the block runs.

    Raises:
        LocalError: another one is at work.
    """
    with (layout.root / "command.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(
                f"`millrace {what}` must be alone, got another `up` or `down` at work. Wait for it, then try again."
            ) from None
        yield
