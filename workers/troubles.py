"""Which parts of a process are in trouble: a line when it begins, one when it is over, and the service's metric."""

import threading

import structlog

from workers.service import TROUBLE


class Troubles:
    """The troubles of one service, by what is in trouble; safe in threads."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._log = structlog.get_logger(f"millrace.{service}")
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def note(self, what: str, error: Exception | str) -> None:
        """Something has gone wrong; the same again and again is said once."""
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"[:500]
        with self._lock:
            new = self._known.get(what) != text
            self._known[what] = text
            TROUBLE.labels(self._service).set(1)
        if new:
            self._log.warning("trouble", what=what, error=text)

    def over(self, what: str) -> None:
        """It is well again, if it was not."""
        if what not in self._known:
            return
        with self._lock:
            self._known.pop(what, None)
            if not self._known:
                TROUBLE.labels(self._service).set(0)
        self._log.info("well again", what=what)
