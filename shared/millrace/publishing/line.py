"""A socket that is written and read at the same time: two ends that only write would wait for each other forever."""

import select
import socket
import ssl
import time
from collections.abc import Iterator

from millrace.publishing.wire import AROUND, Frame, whole_frame

#: More is read the next time.
CHUNK = 64 * 1024
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

    def give(self, data: bytes) -> None:
        """Have bytes sent; only if idle."""
        self._unsent = memoryview(data)

    def turn(self, until: float) -> Iterator[Frame]:
        """Send and read what is possible now, or as soon as something is; the frames that have come whole.

        Raises TimeoutError if nothing is possible until then (`time.monotonic()`), OSError if the line is lost.
        """
        while True:
            sent, received = self._send(), self._receive()
            if received:
                return self._frames()
            if not sent:
                self._wait(until)
            elif self.idle:
                return iter(())

    def _send(self) -> bool:
        if self.idle:
            return False
        try:
            count = self._sock.send(self._unsent)
        except _NOT_NOW:
            return False
        self._unsent = self._unsent[count:]
        return True

    def _receive(self) -> bool:
        try:
            data = self._sock.recv(CHUNK)
        except _NOT_NOW:
            return False
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        self._received += data
        return True

    def _frames(self) -> Iterator[Frame]:
        at = 0
        while (frame := whole_frame(self._received, at)) is not None:
            at += AROUND + len(frame[2])
            yield frame
        self._received = self._received[at:]

    def _wait(self, until: float) -> None:
        events = select.POLLIN if self.idle else select.POLLIN | select.POLLOUT
        self._poll.modify(self._sock, events)
        patience = until - time.monotonic()
        if patience <= 0 or not self._poll.poll(patience * 1000):
            raise TimeoutError
