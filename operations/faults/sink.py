"""A provider outside the database, which counts the calls that it gets by their idempotency key."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ATTEMPTS = "attempts"


class Sink:
    """POST /KEY counts a call, GET /KEY tells how many there were, POST /attempts/SUBJECT counts an attempt.

    It listens on loopback.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["Sink"]:
        """Serve as long as the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, name="sink", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def clear(self) -> None:
        """Forget all that was counted."""
        with self._lock:
            self.calls.clear()
            self.attempts.clear()

    def _count(self, path: str) -> int:
        kind, _, subject = path.rpartition("/")
        counts = self.attempts if kind == ATTEMPTS else self.calls
        with self._lock:
            counts[subject] += 1
            return counts[subject]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self) -> None:
                """Count a call."""
                self._answer(sink._count(self.path[1:]))

            def do_GET(self) -> None:
                """Tell how many calls there were."""
                self._answer(sink.calls[self.path[1:]])

            def _answer(self, number: int) -> None:
                body = str(number).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
