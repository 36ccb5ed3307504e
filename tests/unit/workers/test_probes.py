"""What a process answers when it is asked whether it works."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from operations.local.ports import free_ports
from workers.metrics import serve
from workers.probes import Pulse
from workers.settings import Settings

TURNS, LOOKS = 20.0, 50.0


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(clock: Clock) -> Pulse:
    return Pulse(turns_within=TURNS, looks_within=LOOKS, clock=clock)


def test_one_that_starts_is_alive_and_not_ready(pulse: Pulse, clock: Clock) -> None:
    clock.now += 10 * TURNS
    assert (pulse.trouble(), pulse.unready()) == (None, "starting")


def test_one_that_works_is_both(pulse: Pulse) -> None:
    pulse.working()
    assert (pulse.trouble(), pulse.unready()) == (None, None)


@pytest.mark.parametrize("why", ["connecting to the broker", "stopping"])
def test_one_that_is_away_is_alive_however_long_it_takes(pulse: Pulse, clock: Clock, why: str) -> None:
    pulse.working()
    pulse.away(why)
    clock.now += 100 * TURNS
    assert (pulse.trouble(), pulse.unready()) == (None, why)
    pulse.working()
    assert pulse.unready() is None


def test_turning_alone_does_not_make_it_ready(pulse: Pulse) -> None:
    """While it stops, its timers go on."""
    pulse.away("stopping")
    pulse.turned()
    assert pulse.unready() == "stopping"


def test_a_loop_that_does_not_turn(pulse: Pulse, clock: Clock) -> None:
    pulse.working()
    clock.now += TURNS
    assert pulse.trouble() is None
    clock.now += 1
    assert pulse.trouble() == pulse.unready() == "its loop has not turned for 21 s"
    pulse.turned()
    assert pulse.trouble() is None


def test_a_loop_that_turns_and_sees_no_work_coming(pulse: Pulse, clock: Clock) -> None:
    pulse.working()
    for _ in range(6):
        clock.now += 10
        pulse.turned()
    assert pulse.trouble() == "it has not seen that it is given work for 60 s"


def answer(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


Serve = Callable[..., int]


@pytest.fixture
def served(pulse: Pulse) -> Iterator[Serve]:
    """Serves the pulse, and a metric, on a free port."""

    servers = []

    def start(address: str = "127.0.0.1") -> int:
        registry = CollectorRegistry()
        Counter("millrace_example", "Some", registry=registry).inc()
        (port,) = free_ports(1)
        settings = Settings(broker_url="", database_url="", metrics_port=port, metrics_address=address)
        servers.append(serve(settings, pulse, registry))
        return port

    yield start
    for server in servers:
        assert server is not None
        server.shutdown()
        server.server_close()


def test_probes_and_metrics_share_a_port(pulse: Pulse, clock: Clock, served: Serve) -> None:
    port = served()
    assert answer(port, "/live") == (200, "ok\n")
    assert answer(port, "/ready") == (503, "starting\n")
    pulse.working()
    assert answer(port, "/ready") == (200, "ok\n")
    clock.now += 2 * TURNS
    for path in ("/live", "/ready"):
        assert answer(port, path) == (503, "its loop has not turned for 40 s\n")
    status, body = answer(port, "/metrics")
    assert status == 200
    assert "millrace_example_total 1.0" in body


def test_it_listens_where_it_is_told(served: Serve) -> None:
    """The whole of 127.0.0.0/8 is loopback; another address of it is not served unless told."""
    with pytest.raises(urllib.error.URLError):
        answer(served(), "/live", host="127.0.0.2")
    assert answer(served("0.0.0.0"), "/live", host="127.0.0.2") == (200, "ok\n")  # noqa: S104
    assert answer(served("::1"), "/live", host="[::1]") == (200, "ok\n")


def test_nothing_is_served_without_a_port(pulse: Pulse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.metrics.make_server", None)
    serve(Settings(broker_url="", database_url=""), pulse)
