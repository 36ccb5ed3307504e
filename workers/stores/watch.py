"""Time for a store that has no clock: how long something has been seen unchanged, on one process' monotonic clock.

Wall clocks of two machines are never compared. Whoever has seen a claim unchanged for the whole of its lease knows that
the lease is over, whenever it began; it then marks that in the store, where all see it (decision 0408).
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from workers.stores.store import StoreUnavailable

#: When a mark is tried again that the store did not take.
AGAIN_SECONDS = 5.0
#: A mark is remembered for so long: who has read the store just before it would else begin to watch anew.
REMEMBERED_SECONDS = 5.0
#: More is not watched at a time: what comes then is looked at again at its next delivery.
MOST = 100_000


@dataclass(frozen=True)
class Seen:
    """Something that was seen at first at a moment, and is over if it is still the same at another."""

    key: str
    token: str
    over_at: float
    marked: bool = False


class Watch:
    """What this process has seen, by key and token; `mark(key, token)` is called when a lease has been seen through.

    A thread does the marking; it is started at the first sight, so make a Watch after the fork.
    """

    def __init__(self, mark: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._mark = mark
        self._clock = clock
        self._seen: dict[str, Seen] = {}
        self._queue: list[tuple[float, int, Seen]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def remaining(self, key: str, token: str, seconds: float) -> float:
        """How much longer the token must be seen under the key until it has been seen for so many seconds.

        Call it after the answer that showed the token: a moment before the answer might be before the claim itself.
        """
        with self._changed:
            now = self._clock()
            found = self._seen.get(key)
            if found is None or found.token != token:
                found = Seen(key, token, now + seconds)
                self._add(found)
            return max(0.0, found.over_at - now)

    def _add(self, seen: Seen) -> None:
        if self._closed or len(self._queue) >= MOST:
            return
        self._seen[seen.key] = seen
        self._push(seen, seen.over_at)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="millrace-watch", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _push(self, seen: Seen, at: float) -> None:
        with self._changed:
            heapq.heappush(self._queue, (at, next(self._order), seen))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not self._due():
                    self._changed.wait(self._pause())
                if self._closed:
                    return
            self.mark_due()

    def mark_due(self) -> None:
        """Mark what has been seen for long enough; what the store does not take is tried again later."""
        for seen in self._take_due():
            if seen.marked:
                self._forget(seen)
                continue
            try:
                self._mark(seen.key, seen.token)
            except StoreUnavailable:
                self._push(seen, self._clock() + AGAIN_SECONDS)
            else:
                self._push(replace(seen, marked=True), self._clock() + REMEMBERED_SECONDS)

    def _forget(self, seen: Seen) -> None:
        with self._changed:
            found = self._seen.get(seen.key)
            if found is not None and found.token == seen.token:
                del self._seen[seen.key]

    def _due(self) -> bool:
        return bool(self._queue) and self._queue[0][0] <= self._clock()

    def _pause(self) -> float | None:
        return max(0.0, self._queue[0][0] - self._clock()) if self._queue else None

    def _take_due(self) -> list[Seen]:
        due = []
        with self._changed:
            while self._due():
                due.append(heapq.heappop(self._queue)[2])
        return due

    def close(self) -> None:
        """End the thread; nothing is marked any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
