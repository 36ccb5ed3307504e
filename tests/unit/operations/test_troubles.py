"""Which services are in trouble, from their metrics as they serve them."""

import threading

from prometheus_client import start_http_server

from operations.local.ports import free_ports
from operations.troubles import in_trouble
from workers.service import TROUBLE, keep_going


def test_a_service_that_fails_says_so() -> None:
    [port, nobody] = free_ports(2)
    server, thread = start_http_server(port, addr="127.0.0.1")
    here, nowhere = f"http://127.0.0.1:{port}/metrics", f"http://127.0.0.1:{nobody}/metrics"
    stopping = threading.Event()
    TROUBLE.clear()  # what other tests have left

    def fail() -> None:
        stopping.set()
        raise ConnectionError("gone")

    try:
        keep_going("keeper", stopping.set, stopping)
        stopping.clear()
        assert in_trouble({"keeper": here}) == []
        keep_going("keeper", fail, stopping)
        assert in_trouble({"keeper": here, "relay": nowhere, "worker-signup": here}) == ["keeper"]
        assert in_trouble({}) == []
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
