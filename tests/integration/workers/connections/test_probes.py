"""What a real worker and a real relay answer when they are asked whether they work."""

import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.faults.proxy import Proxy
from operations.local.ports import free_ports
from tests.integration.workers.connections.calls import start
from tests.integration.workers.stack import Stack, until

OK = (200, "ok\n")
CONNECTING = (503, "connecting to the broker\n")


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    """The line to the broker."""
    with Proxy(stack.broker.amqp_host, stack.broker.amqp_port) as one:
        yield one
    stack.stop()


def answer(port: int, path: str) -> tuple[int, str] | None:
    """Status and body; None while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return None


def test_a_worker_is_ready_while_it_consumes_and_alive_while_the_broker_is_out(
    stack: Stack, proxy: Proxy, tmp_path: Path
) -> None:
    """To end it then would help nobody: it comes back by itself."""
    (port,) = free_ports(1)
    metrics = {"MILLRACE_METRICS_PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    worker = start(stack, "desk", proxy, **metrics)
    until(lambda: answer(port, "/ready") == OK, seconds=60, what="a worker that is ready")
    assert answer(port, "/live") == OK
    assert stack.consumers("desk") == 1
    proxy.refuse()
    until(lambda: answer(port, "/ready") == CONNECTING, what="a worker that is not ready")
    assert answer(port, "/live") == OK
    proxy.let_pass()
    until(lambda: answer(port, "/ready") == OK, what="a worker that is ready again")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0


@pytest.mark.usefixtures("proxy")
def test_a_relay_is_ready_when_its_loop_turns(stack: Stack) -> None:
    (port,) = free_ports(1)
    stack.start("relay", "relay", "workers.relay", MILLRACE_METRICS_PORT=str(port))
    until(lambda: answer(port, "/ready") == OK, seconds=60, what="a relay that is ready")
    assert answer(port, "/live") == OK
    metrics = answer(port, "/metrics")
    assert metrics is not None
    assert "millrace_service_trouble" in metrics[1]
