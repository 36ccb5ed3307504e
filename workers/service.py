"""How the relay and the keeper live: one round after another until SIGTERM, with back-off after trouble."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import Gauge

from workers.environment import SettingsError
from workers.logs import configure_logs
from workers.metrics import serve
from workers.probes import SERVICE_STUCK_SECONDS, Pulse
from workers.settings import Settings, from_environment

log = structlog.get_logger("millrace.service")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
#: What has run for so long is well again, whatever was before.
STEADY_SECONDS = 10.0

TROUBLE = Gauge("millrace_service_trouble", "1 from a failure until the service has run well for a while", ["service"])


class Stopping(threading.Event):
    """An event to stop on; each time that the loop asks for it, or waits for it, it has come round."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._pulse = pulse

    def is_set(self) -> bool:
        """Whether to stop."""
        self._pulse.working()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is time to stop, or for so many seconds; gives whether it is."""
        self._pulse.working()
        stopped = super().wait(timeout)
        self._pulse.working()
        return stopped


def run_service(name: str, start: Callable[[Settings, threading.Event], None]) -> int:
    """Run `start(settings, stopping)` again and again until SIGTERM or SIGINT; 78 if the settings are wrong."""
    configure_logs()
    try:
        _run(name, start)
    except SettingsError as error:
        print(f"the {name} does not start: {error}", file=sys.stderr)
        return 78
    return 0


def _run(name: str, start: Callable[[Settings, threading.Event], None]) -> None:
    settings = from_environment()
    settings.load_catalog()
    pulse = Pulse(turns_within=SERVICE_STUCK_SECONDS)
    stopping, ended = Stopping(pulse), threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    serve(settings, pulse)
    log.info("started", service=name)
    # What waits after trouble shows no life: only the loop itself does.
    keep_going(name, lambda: start(settings, stopping), ended, pulse.away)
    pulse.away("stopping")
    log.info("stopped", service=name)


def keep_going(
    name: str, start: Callable[[], None], stopping: threading.Event, away: Callable[[str], None] = lambda _why: None
) -> None:
    """Call `start` until stopping; trouble is logged, told, shown as a metric and followed by a growing pause.

    Raises SettingsError if `start` does: no pause makes settings right.
    """
    pause = FIRST_PAUSE_SECONDS
    TROUBLE.labels(name).set(0)
    while not stopping.is_set():
        started = time.monotonic()
        try:
            with _well_again(name):
                start()
            pause = FIRST_PAUSE_SECONDS
        except SettingsError:
            raise
        except Exception as error:  # whatever it is, the service must come back by itself
            TROUBLE.labels(name).set(1)
            trouble = f"{type(error).__name__}: {error}"[:500]
            away(f"trouble: {trouble}")
            if time.monotonic() - started >= STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            log.warning("trouble", service=name, error=trouble, again_in=pause)
            stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


@contextmanager
def _well_again(name: str) -> Iterator[None]:
    """Take the metric back once the block has run for a while."""
    timer = threading.Timer(STEADY_SECONDS, lambda: TROUBLE.labels(name).set(0))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
