"""An event to stop on that notes the pauses between rounds instead of making them."""

import threading


class Waits(threading.Event):
    """Notes the pauses instead of making them, and stops after so many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self.noted: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Only note it."""
        self.noted.append(timeout)
        if len(self.noted) >= self._most:
            self.set()
        return self.is_set()
