"""Ends a process whose loop is stuck: its supervisor starts it again.

A thread looks whether steps begin; it does nothing else, so nothing that the loop does can stop it. Should the loop
hold the interpreter itself (a call in C that never returns), the interpreter's own watchdog, which needs no Python,
ends the process a little later.
"""

import faulthandler
import os
import threading
import time
from types import TracebackType
from typing import Self

import structlog

log = structlog.get_logger("millrace.watchdog")

#: sysexits.h: an internal error was found.
EX_STUCK = 70
#: So much later the interpreter's own watchdog bites.
_GRACE_SECONDS = 5.0
_LAST_WORDS_SECONDS = 1.0
#: It is wound again at most so often: each time costs a thread.
_REWIND_SECONDS = 1.0


class Watchdog:
    """Ends this process with code 70 if a step takes longer than `bound` seconds, for as long as a block runs."""

    def __init__(self, service: str, bound: float) -> None:
        self._service = service
        self._bound = bound
        self._step = "starting", time.monotonic()
        self._wound = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def step(self, what: str) -> None:
        """The loop has got so far and begins something else; nothing happens once the block is left."""
        if self._over.is_set():
            return
        now = time.monotonic()
        self._step = what, now
        if now - self._wound > _REWIND_SECONDS:
            self._wound = now
            faulthandler.dump_traceback_later(self._bound + _REWIND_SECONDS + _GRACE_SECONDS, exit=True, file=2)

    def _watch(self) -> None:
        while not self._over.wait(self._bound / 20):
            what, since = self._step
            lasted = time.monotonic() - since
            if lasted > self._bound:
                self._end(what, lasted)

    def _end(self, what: str, lasted: float) -> None:
        """Leave without any cleaning up, and without waiting for the log: both may be what is stuck."""
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - lasted))
        told = threading.Thread(target=self._tell, args=(what, began, lasted), daemon=True)
        told.start()
        told.join(_LAST_WORDS_SECONDS)
        os._exit(EX_STUCK)

    def _tell(self, what: str, began: str, lasted: float) -> None:
        log.critical("stuck", service=self._service, step=what, since=began, seconds=round(lasted, 1))
        faulthandler.dump_traceback(file=2)

    def __enter__(self) -> Self:
        self.step("starting")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        faulthandler.cancel_dump_traceback_later()
        self._thread.join()
