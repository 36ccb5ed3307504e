"""AWS's Runtime API for one process of a function, on a loopback port.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html: the process asks for its next invocation and waits, then
posts a response or an error; before the first it may post that it could not be initialized.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from operations.local.ports import LOOPBACK

_ROOT = "/2018-06-01/runtime"


@dataclass
class Invocation:
    """One call: `answer` and `error` are there once `over` is set.

    Its `seconds` begin when the process takes it: `ends_at` is on the monotonic clock, None until then.
    """

    event: bytes
    seconds: float
    arn: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    over: threading.Event = field(default_factory=threading.Event)
    answer: Any = None
    error: str | None = None
    deadline_ms: int = 0
    ends_at: float | None = None

    def begin(self) -> None:
        """Its time runs from now on."""
        # The process has no clock but the wall's, in whole milliseconds: rounded up, this would be one too many.
        self.deadline_ms = int((time.time() + self.seconds) * 1000)
        self.ends_at = time.monotonic() + self.seconds


class RuntimeApi:
    """Serves one process; make another for the next."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next: Invocation | None = None
        self._running: Invocation | None = None
        self._closed = False
        #: why the process could not be initialized
        self.init_error: str | None = None
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="runtime-api", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the process finds it (AWS_LAMBDA_RUNTIME_API)."""
        return f"{LOOPBACK}:{self._server.server_port}"

    def begin(self, invocation: Invocation) -> None:
        """Give the process something to do."""
        with self._changed:
            self._next = invocation
            self._changed.notify_all()

    def take(self) -> Invocation | None:
        """Wait for the next invocation; None if there is none any more."""
        with self._changed:
            while self._next is None and not self._closed:
                self._changed.wait()
            self._running, self._next = self._next, None
            if self._running is not None:
                self._running.begin()
            return self._running

    def end(self, id_: str, *, answer: Any = None, error: str | None = None) -> bool:
        """What became of an invocation; False if it is not the one that runs."""
        with self._changed:
            running = self._running
            if running is None or running.id != id_:
                return False
            self._running = None
        running.answer, running.error = answer, error
        running.over.set()
        return True

    def close(self) -> None:
        """Let go of the port; a process that waits gets nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler_of(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            invocation = api.take() if self.path == f"{_ROOT}/invocation/next" else None
            if invocation is None:
                self._answer(404, b"")
                return
            headers = {
                "Lambda-Runtime-Aws-Request-Id": invocation.id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
                "Lambda-Runtime-Trace-Id": f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]};Sampled=0",
            }
            self._answer(200, invocation.event, headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(202 if self._note(self.path, body) else 400, b'{"status":"OK"}')

        def _note(self, path: str, body: bytes) -> bool:
            if path == f"{_ROOT}/init/error":
                api.init_error = _error_of(body)
                return True
            place, _, what = path.removeprefix(f"{_ROOT}/invocation/").partition("/")
            if what == "response":
                return api.end(place, answer=_json_of(body))
            return what == "error" and api.end(place, error=_error_of(body))

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            with contextlib.suppress(ConnectionError):  # the process is gone, which is noticed elsewhere
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing: the function's own lines are what matters."""

    return Handler


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _error_of(body: bytes) -> str:
    said = _json_of(body)
    if isinstance(said, dict):
        return f"{said.get('errorType')}: {said.get('errorMessage')}"[:1000]
    return str(said)[:1000]
