"""A bell that wakes Celery's loop."""

import os
from contextlib import suppress
from typing import Any


class Bell:
    """Ends the wait of a loop for its connections.

    What a loop's callback asks for by `call_soon` is otherwise looked at only once something else has happened (kombu
    5.7: `Hub.create_loop` does not look again between its callbacks and its wait).
    """

    def __init__(self) -> None:
        self._heard, self._rung = os.pipe()
        for end in (self._heard, self._rung):
            os.set_blocking(end, False)

    def hang_in(self, hub: Any) -> None:
        """Let a hub listen."""
        hub.add_reader(self._heard, self._hear)

    def ring(self) -> None:
        """End the wait, or the next one; once is enough for any number of rings."""
        with suppress(BlockingIOError):  # it rings already
            os.write(self._rung, b"!")

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._heard, 4096)
