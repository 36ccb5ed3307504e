"""A TCP proxy that holds what the broker answers, swallows what is sent, or cuts the line."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Forwards connections to one port; a gate for each direction can be shut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._upward, self._downward = threading.Event(), threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.accepted = 0
        self._cut_after: int | None = None
        self.open_all()
        self._start(self._accept)

    def hold_answers(self) -> None:
        """Keep what the broker says until the gate is opened."""
        self._downward.clear()

    def black_hole(self) -> None:
        """Nothing passes, either way; connections are still accepted."""
        self._upward.clear()
        self._downward.clear()

    def open_all(self) -> None:
        """Let everything pass, what was held first."""
        self._upward.set()
        self._downward.set()

    def cut(self) -> None:
        """Close every connection that there is, as a restarted firewall would."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut_after(self, count: int) -> None:
        """Close every connection once so many bytes more went to the broker."""
        self._cut_after = count

    def _count(self, data: bytes) -> None:
        if self._cut_after is None:
            return
        self._cut_after -= len(data)
        if self._cut_after <= 0:
            self._cut_after = None
            self.cut()

    def close(self) -> None:
        """End all connections and threads."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.open_all()
        self.cut()
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            self._start(self._pump, client, server, self._upward)
            self._start(self._pump, server, client, self._downward)

    def _pump(self, source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while gate.wait() and (data := source.recv(65_536)):
                gate.wait()
                sink.sendall(data)
                if gate is self._upward:
                    self._count(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """A proxy for as long as a block runs."""
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
