"""A socket that is written and read at the same time: two ends that only write would wait for each other forever."""

import select
import socket
import ssl
import time
from collections.abc import Iterator

from millrace.publishing.wire import AROUND, Frame, whole_frame

#: More is read the next time.
CHUNK = 16 * 1024
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Line:
    """The frames of a connected socket, TCP or TLS, from one thread; the socket does not block any more."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock)
        self._unsent = memoryview(b"")
        self._received = b""

    @property
    def idle(self) -> bool:
        """Whether all that was given is on its way."""
        return not self._unsent

    def readable(self) -> bool:
        """Whether something has come, or the line has ended."""
        self._poll.modify(self._sock, select.POLLIN)
        return bool(self._poll.poll(0))

    def give(self, data: bytes) -> None:
        """Have bytes sent; only if idle."""
        self._unsent = memoryview(data)

    def turn(self, until: float) -> Iterator[Frame]:
        """Send what the system takes, and only if it does not take all, or nothing is left to send, wait and read.

        The frames that have come whole. Raises TimeoutError if until then (`time.monotonic()`) nothing comes, OSError
        if the line is lost.
        """
        if not self.idle:
            self._send()
            if self.idle:
                return
        self._wait(until)
        self._receive()
        yield from self._frames()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except _NOT_NOW:
            return

    def _wait(self, until: float) -> None:
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return  # it has been read from the system, which knows no more of it
        patience = max(until - time.monotonic(), 0)
        late_or_idle = self.idle or not patience  # when it is late, only what has come already counts
        self._poll.modify(self._sock, select.POLLIN if late_or_idle else select.POLLIN | select.POLLOUT)
        if not self._poll.poll(patience * 1000):
            raise TimeoutError

    def _receive(self) -> None:
        try:
            data = self._sock.recv(CHUNK)
        except _NOT_NOW:
            return
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        self._received += data

    def _frames(self) -> Iterator[Frame]:
        at = 0
        while (frame := whole_frame(self._received, at)) is not None:
            at += AROUND + len(frame[2])
            yield frame
        self._received = self._received[at:]
