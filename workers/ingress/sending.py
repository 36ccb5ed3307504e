"""One confirmed sender for all readers: what they give it while it sends goes out in one go after that.

While RabbitMQ takes nothing the gate is shut, so that nobody receives what could only be given back.
"""

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

import structlog
from millrace import names
from millrace.derived import RECONNECT_SECONDS, SEND_SECONDS
from millrace.errors import BrokerUnreachable, ConfirmTimeout, PublishError, Unroutable
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender

from workers.service import FIRST_PAUSE_SECONDS

log = structlog.get_logger("millrace.ingress")

#: So much is sent at a time: all of it is on its way before the first confirm is due, so sending is bounded.
MOST_MESSAGES = 500
MOST_BYTES = 1024 * 1024
_IDLE_SECONDS = 0.5
_PROBE = Message(exchange=names.DEAD, routing_key=names.PROBE, body=b"", message_id=names.PROBE)

Results = list[PublishError | None]


class TooLate(PublishError):
    """The message could not be sent before others may be given it: it is theirs."""


class _Request(NamedTuple):
    messages: Sequence[Message]
    begin_by: float
    results: Future[Results]

    def refuse(self, error: PublishError) -> None:
        """Answer that nothing of it was sent."""
        self.results.set_result([error] * len(self.messages))


class BulkSender:
    """Sends for many threads, by one thread of its own and over one connection."""

    def __init__(self, url: str) -> None:
        self._sender = Sender(url, timeout=SEND_SECONDS)
        self._waiting: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._left_over: _Request | None = None
        self._open = threading.Event()
        self._pause = FIRST_PAUSE_SECONDS
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sending", daemon=True)

    def start(self) -> None:
        """Begin; the gate opens with RabbitMQ's first answer."""
        self._thread.start()

    def close(self) -> None:
        """End once what was given is settled."""
        self._ending.set()
        self._thread.join()
        self._sender.close()

    def wait_open(self, seconds: float) -> bool:
        """Wait at most so long for the gate; whether it is open."""
        return self._open.wait(seconds)

    def send(self, messages: Sequence[Message], begin_by: float) -> Results:
        """Send all; for each, None if it was confirmed, else why not. Nothing is begun after `begin_by` (monotonic)."""
        results: Future[Results] = Future()
        self._waiting.put(_Request(messages, begin_by, results))
        return results.result()

    def _run(self) -> None:
        while not self._ending.is_set() or self._left_over is not None or not self._waiting.empty():
            requests = self._take()
            if requests:
                self._serve(requests)
            elif not self._open.is_set() and not self._ending.is_set():
                self._probe()

    def _take(self) -> list[_Request]:
        """What waits, up to the bound; the first is taken however large it is."""
        taken: list[_Request] = []
        count = size = 0
        while count < MOST_MESSAGES and size < MOST_BYTES:
            request = self._next(wait=not taken)
            if request is None:
                break
            added = sum(len(message.body) for message in request.messages)
            if taken and size + added > MOST_BYTES:
                self._left_over = request
                break
            taken.append(request)
            count, size = count + len(request.messages), size + added
        return taken

    def _next(self, *, wait: bool) -> _Request | None:
        request, self._left_over = self._left_over, None
        if request is not None:
            return request
        patience = _IDLE_SECONDS if wait and self._open.is_set() else 0
        try:
            return self._waiting.get(patience > 0, patience)
        except queue.Empty:
            return None

    def _serve(self, requests: Sequence[_Request]) -> None:
        """Send what may be sent; whatever happens, everyone who waits is answered."""
        due = []
        for request in requests:
            if request.begin_by <= time.monotonic():
                request.refuse(TooLate("others may be given it by now"))
            elif not self._open.is_set():
                request.refuse(BrokerUnreachable("RabbitMQ takes nothing"))
            else:
                due.append(request)
        try:
            results = self._sender.send([message for request in due for message in request.messages])
        except Exception as error:  # a bug must not leave a reader waiting for ever
            for request in due:
                request.results.set_exception(error)
            return
        self._judge(results)
        for request in due:
            count = len(request.messages)
            request.results.set_result(results[:count])
            results = results[count:]

    def _judge(self, results: Results) -> None:
        """Shut the gate on an outage; the pause before the next try grows until something was confirmed."""
        outage = next((error for error in results if isinstance(error, BrokerUnreachable | ConfirmTimeout)), None)
        if outage is not None:
            log.warning("RabbitMQ takes nothing, so nothing is received", error=str(outage)[:500])
            self._open.clear()
        elif None in results:
            self._pause = FIRST_PAUSE_SECONDS

    def _probe(self) -> None:
        """After a pause, send what is bound to come back; it does only if RabbitMQ takes messages."""
        self._ending.wait(self._pause)
        self._pause = min(self._pause * 2, RECONNECT_SECONDS)
        try:
            [result] = self._sender.send([_PROBE])
        except Exception as error:  # whatever it is, the next probe may do better
            log.warning("RabbitMQ cannot be asked", error=f"{type(error).__name__}: {error}"[:500])
            return
        if result is None or isinstance(result, Unroutable):
            log.info("RabbitMQ takes messages")
            self._open.set()
        else:
            log.warning("RabbitMQ takes nothing", error=str(result)[:500], again_in=self._pause)
