"""Erlang's port mapper (epmd), one for each node of a cluster, which shows the node its peers where we want them.

Where a node finds a peer is a line that can be cut. The messages are those of Erlang's distribution protocol:
https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Mapping

from operations.local.ports import LOOPBACK

REGISTER, REGISTERED, REGISTERED_OLD = 120, 118, 121
FIND, FOUND = 122, 119
LIST = 110
#: From this version of the distribution on, a node is told a creation of four bytes.
_LONG_CREATION = 6
_SILENCE = 10.0


class PortMapper:
    """Knows the nodes that register here by their own ports, and peers by the ports given.

    A peer is found while it is registered with its own mapper.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._registered: dict[str, bytes] = {}
        self._peers: dict[str, tuple[PortMapper, int]] = {}
        self._creation = 0
        self._lock = threading.Lock()
        self._server = _Server((LOOPBACK, port), _Conversation)
        self._server.mapper = self
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="port mapper", daemon=True).start()

    def show(self, peers: Mapping[str, tuple[PortMapper, int]]) -> None:
        """Let nodes of this mapper find a peer (its name before the @) of another mapper at a port."""
        self._peers = dict(peers)

    def answer(self, request: bytes) -> bytes:
        """What is answered to everything but a registration."""
        if request[:1] == bytes([FIND]):
            name = request[1:].decode()
            entry = self.entry(name)
            return bytes([FOUND, 1]) if entry is None else bytes([FOUND, 0]) + entry
        if request == bytes([LIST]):
            with self._lock:
                known = {name: int.from_bytes(entry[:2], "big") for name, entry in self._registered.items()}
            lines = "".join(f"name {name} at port {port}\n" for name, port in known.items())
            return struct.pack(">I", self.port) + lines.encode()
        return b""

    def entry(self, name: str) -> bytes | None:
        """A node's entry as it registered itself, a peer's with the port that is shown; None if it is not there."""
        if name in self._peers:
            mapper, port = self._peers[name]
            own = mapper.entry(name)
            return own and struct.pack(">H", port) + own[2:]
        with self._lock:
            return self._registered.get(name)

    def register(self, entry: bytes) -> tuple[str, bytes]:
        """Take a node up; gives its name and the answer. It stays until `forget`."""
        _port, _kind, _protocol, highest, _lowest, length = struct.unpack_from(">HBBHHH", entry)
        name = entry[10 : 10 + length].decode()
        with self._lock:
            if name in self._registered:
                return "", bytes([REGISTERED, 1]) + struct.pack(">I", 99)
            self._registered[name] = entry
            self._creation += 1
            creation = self._creation
        if highest >= _LONG_CREATION:
            return name, bytes([REGISTERED, 0]) + struct.pack(">I", creation)
        return name, bytes([REGISTERED_OLD, 0]) + struct.pack(">H", creation % 3 + 1)

    def forget(self, name: str) -> None:
        """A node is gone."""
        with self._lock:
            self._registered.pop(name, None)

    def close(self) -> None:
        """Take no more questions."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    mapper: PortMapper


class _Conversation(socketserver.BaseRequestHandler):
    """One question; a node's registration holds as long as its connection."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(_SILENCE)
        try:
            (length,) = struct.unpack(">H", self._exactly(2))
            asked = self._exactly(length)
            if asked[0] == REGISTER:
                self._hold(asked[1:])
            else:
                self.request.sendall(self.server.mapper.answer(asked))
        except OSError:
            return

    def _hold(self, entry: bytes) -> None:
        name, answer = self.server.mapper.register(entry)
        try:
            self.request.sendall(answer)
            self.request.settimeout(None)
            while name and self.request.recv(64):
                pass
        finally:
            self.server.mapper.forget(name)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.request.recv(count - len(data))
            if not more:
                raise ConnectionResetError("it closed in the middle of a question")
            data += more
        return data
