"""Prometheus metrics over HTTP, on loopback."""

import os

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

LOOPBACK = "127.0.0.1"


def serve_processes(port: int | None) -> None:
    """Serve the sum over a worker's processes at /metrics; nothing if no port is set."""
    if port is None:
        return
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=os.environ["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]
    start_http_server(port, addr=LOOPBACK, registry=registry)


def serve(port: int | None) -> None:
    """Serve this process's own metrics at /metrics; nothing if no port is set."""
    if port is not None:
        start_http_server(port, addr=LOOPBACK)
