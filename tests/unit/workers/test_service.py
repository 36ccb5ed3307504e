"""How the relay and the keeper go on after trouble, and how it shows."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.noted_waits import Waits
from workers import service
from workers.environment import SettingsError
from workers.probes import Pulse
from workers.service import FIRST_PAUSE_SECONDS, TROUBLE, Stopping, keep_going

STEADY = 1.5


@pytest.fixture(autouse=True)
def soon_steady(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is steady is so soon; no trouble is left to show in another test."""
    monkeypatch.setattr(service, "STEADY_SECONDS", STEADY)
    yield
    TROUBLE.clear()


def in_trouble(name: str) -> float | None:
    """What the metric says of a service."""
    found = [sample for metric in TROUBLE.collect() for sample in metric.samples]
    return next((sample.value for sample in found if sample.labels == {"service": name}), None)


def test_the_pause_grows_and_starts_anew_after_a_long_good_run() -> None:
    runs = iter([0.0, 0.0, 0.0, STEADY * 1.1, 0.0])

    def start() -> None:
        end = time.monotonic() + next(runs)
        while time.monotonic() < end:
            time.sleep(0.01)
        raise ConnectionError("gone")

    stopping = Waits(5)
    keep_going("one", start, stopping)
    first = FIRST_PAUSE_SECONDS
    assert stopping.noted == [first, first * 2, first * 4, first, first * 2]


def test_trouble_shows_until_it_has_run_well_for_a_while() -> None:
    seen: list[float | None] = []
    stopping = threading.Event()
    runs = iter([True, True, False])

    def start() -> None:
        seen.append(in_trouble("two"))
        if next(runs):
            raise ConnectionError("gone")
        deadline = time.monotonic() + 20
        while in_trouble("two"):
            assert time.monotonic() < deadline, "the trouble must be taken back"
            time.sleep(0.01)
        stopping.set()

    keep_going("two", start, stopping)
    assert (seen, in_trouble("two")) == ([0, 1, 1], 0)


def test_wrong_settings_end_it() -> None:
    def start() -> None:
        raise SettingsError("MILLRACE_AWS_REGION must be set")

    with pytest.raises(SettingsError):
        keep_going("four", start, Waits(3))


def test_a_service_that_fails_at_once_stays_in_trouble() -> None:
    def start() -> None:
        raise ConnectionError("gone")

    keep_going("three", start, Waits(8))
    assert in_trouble("three") == 1


def test_a_service_that_always_fails_is_alive_and_not_ready() -> None:
    pulse = Pulse(turns_within=10)
    loop, said = Stopping(pulse), []

    def start() -> None:
        said.append(pulse.unready())
        assert not loop.is_set()
        raise ConnectionError("gone")

    keep_going("five", start, Waits(3), pulse.away)
    told = "trouble: ConnectionError: gone"
    assert said == ["starting", told, told]
    assert (pulse.unready(), pulse.trouble()) == (told, None)


@pytest.mark.parametrize("ask", [lambda stopping: stopping.is_set(), lambda stopping: stopping.wait(0.001)])
def test_a_loop_that_asks_whether_to_stop_works(ask: Callable[[Stopping], bool]) -> None:
    """Every service's loop does, each time round; one that does not for too long is stuck."""
    now = [0.0]
    pulse = Pulse(turns_within=10, clock=lambda: now[0])
    stopping = Stopping(pulse)
    assert pulse.unready() == "starting"
    assert ask(stopping) is False
    assert pulse.unready() is None
    now[0] = 11.0
    assert pulse.trouble() == "its loop has not turned for 11 s"
    stopping.set()
    assert ask(stopping) is True
    assert pulse.trouble() is None
