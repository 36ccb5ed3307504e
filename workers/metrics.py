"""Prometheus metrics over HTTP, and beside them the answers to probes; on loopback unless told otherwise."""

import os
import socket
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.multiprocess import MultiProcessCollector

from workers.probes import Pulse, with_probes
from workers.settings import Settings


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds."""


class _IPv6(ThreadingWSGIServer):
    address_family = socket.AF_INET6


def serve_processes(settings: Settings, pulse: Pulse) -> None:
    """Serve the sum over a worker's processes at /metrics, and the probes; nothing if no port is set."""
    registry = CollectorRegistry()
    if settings.metrics_port is not None:
        MultiProcessCollector(registry, path=os.environ["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]
    serve(settings, pulse, registry)


def serve(settings: Settings, pulse: Pulse, registry: CollectorRegistry = REGISTRY) -> WSGIServer | None:
    """Serve this process's own metrics at /metrics, and the probes; nothing if no port is set."""
    if settings.metrics_port is None:
        return None
    server = make_server(
        settings.metrics_address,
        settings.metrics_port,
        with_probes(pulse, make_wsgi_app(registry)),
        _IPv6 if ":" in settings.metrics_address else ThreadingWSGIServer,
        _Quiet,
    )
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
