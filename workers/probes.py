"""What a process says when it is asked whether it works: /live and /ready, on the port of its metrics.

One that waits for the broker, starts or stops, is alive and not ready: to end it would help nobody.
"""

import math
import time
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from millrace.derived import STATEMENT_SECONDS

#: A round of a service has a few statements, each of which ends within its bound.
SERVICE_STUCK_SECONDS = 4 * STATEMENT_SECONDS


class Pulse:
    """What one loop notes of itself, and another thread reads; all in seconds.

    The loop must turn within `turns_within`, and see that it is given its work within `looks_within`.
    """

    def __init__(
        self, *, turns_within: float, looks_within: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._turns_within = turns_within
        self._looks_within = looks_within
        self._clock = clock
        self._away: str | None = "starting"
        self._turned = self._looked = clock()

    def away(self, why: str) -> None:
        """It does not work for now, and may: `why` is told."""
        self._away = why

    def turned(self) -> None:
        """The loop has come round."""
        self._turned = self._clock()

    def working(self) -> None:
        """The loop has come round, and is given its work."""
        self._turned = self._looked = self._clock()
        self._away = None

    def trouble(self) -> str | None:
        """Why it must be taken for dead; None if it is alive."""
        if self._away is not None:
            return None
        for what, since, bound in (
            ("its loop has not turned", self._turned, self._turns_within),
            ("it has not seen that it is given work", self._looked, self._looks_within),
        ):
            lasted = self._clock() - since
            if lasted > bound:
                return f"{what} for {lasted:.0f} s"
        return None

    def unready(self) -> str | None:
        """Why it does no work now; None if it does."""
        return self._away or self.trouble()


def with_probes(pulse: Pulse, otherwise: WSGIApplication) -> WSGIApplication:
    """An application that answers /live and /ready, 503 with the reason if it is not so, and leaves the rest."""
    probes = {"/live": pulse.trouble, "/ready": pulse.unready}

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        probe = probes.get(environ["PATH_INFO"])
        if probe is None:
            return otherwise(environ, start_response)
        reason = probe()
        status = "200 OK" if reason is None else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{reason or 'ok'}\n".encode()]

    return answer
