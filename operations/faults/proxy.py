"""A TCP proxy on loopback with the faults of a line: delay, hold (a black hole), cut, refuse.

Another process steers it by `tell(control_port, "hold down")`.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

LOOPBACK = "127.0.0.1"
_RESETS = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset
_CHUNK, _QUEUED = 65_536, 16
_SECONDS = 10.0
_Chunks = asyncio.Queue[tuple[float, bytes]]

T = TypeVar("T")


class Proxy:
    """Forwards TCP connections from `port` to one place; its methods may be called from any thread."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._holder = _bound(0)  # does not listen: while it is open the port is ours, and what connects is refused
        self.port: int = self._holder.getsockname()[1]
        #: how many connections were taken so far
        self.accepted = 0
        self._delay, self._bytes_left = 0.0, -1
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._lines: set[asyncio.Task[Any]] = set()
        self._stranded: set[asyncio.Task[Any]] = set()
        self._cut: asyncio.Task[None] | None = None
        self._door: socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._control = self._run(asyncio.start_server(self._steered, LOOPBACK, 0))
        self.control_port: int = self._control.sockets[0].getsockname()[1]
        self.let_pass()

    def let_pass(self) -> None:
        """Let everything through, first what was held, and take new connections."""
        self._run(self._set())

    def delay(self, seconds: float) -> None:
        """Let everything through, each way so much later."""
        self._run(self._set(delay=seconds))

    def hold(self, *, up: bool = True, down: bool = True) -> None:
        """Keep what goes up (to the server) or down, also that an end was closed; new connections are still taken."""
        self._run(self._set(up=not up, down=not down))

    def strand(self) -> int:
        """Hold for ever what goes either way on every connection that there is; new ones pass.

        Returns how many that hit: those that were stranded before count no more.
        """
        return self._run(self._strand())

    def cut(self) -> None:
        """Reset every connection that there is."""
        self._run(self._reset())

    def cut_after(self, count: int) -> None:
        """Reset every connection once so many bytes more have gone up."""
        self._bytes_left = count

    def refuse(self) -> None:
        """Reset every connection that there is and refuse new ones."""
        self._run(self._set(taking=False))
        self.cut()

    def steer(self, command: str) -> None:
        """Do what `tell` said: pass, delay SECONDS, hold [up|down], cut, refuse; raises ValueError for another."""
        match command.split():
            case ["pass"]:
                self.let_pass()
            case ["delay", seconds]:
                self.delay(float(seconds))
            case ["hold"]:
                self.hold()
            case ["hold", "up" | "down" as way]:
                self.hold(up=way == "up", down=way == "down")
            case ["cut"]:
                self.cut()
            case ["refuse"]:
                self.refuse()
            case _:
                raise ValueError(f"command must be pass, delay SECONDS, hold [up|down], cut or refuse, got {command!r}")

    def close(self) -> None:
        """End all connections and the proxy's thread."""
        self.refuse()
        self._control.close()
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()
        self._holder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _set(self, *, delay: float = 0.0, up: bool = True, down: bool = True, taking: bool = True) -> None:
        self._delay = delay
        for gate, opened in ((self._up, up), (self._down, down)):
            (gate.set if opened else gate.clear)()
        if taking and self._door is None:
            self._door = _bound(self.port)
            self._door.setblocking(False)
            self._door.listen()
            self._loop.add_reader(self._door, self._take, self._door)
        elif not taking and self._door is not None:
            self._loop.remove_reader(self._door)
            self._door.close()
            self._door = None

    def _take(self, door: socket.socket) -> None:
        """Take one connection (by hand: asyncio's server forgets one that it takes while it is closed)."""
        with contextlib.suppress(BlockingIOError):
            client, _ = door.accept()
            self.accepted += 1
            line = self._loop.create_task(self._line(client))
            self._lines.add(line)
            line.add_done_callback(self._lines.discard)

    async def _strand(self) -> int:
        fresh = self._lines - self._stranded
        self._stranded = set(self._lines)
        for gate in (self._up, self._down):
            gate.clear()
        self._up, self._down = asyncio.Event(), asyncio.Event()
        await self._set()
        return len(fresh)

    async def _reset(self) -> None:
        await asyncio.sleep(0)  # a line just taken begins, or nobody would close it
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _line(self, taken: socket.socket) -> None:
        """One connection, until both ends have closed it or one is reset."""
        ends: list[asyncio.StreamWriter] = []
        try:
            from_client, client = await asyncio.open_connection(sock=taken)
            ends.append(client)
            from_server, server = await asyncio.open_connection(*self._target)
            ends.append(server)
            async with asyncio.TaskGroup() as both:
                for source, sink, gate in ((from_client, server, self._up), (from_server, client, self._down)):
                    chunks: _Chunks = asyncio.Queue(_QUEUED)
                    both.create_task(self._read(source, chunks, gate))
                    both.create_task(self._write(chunks, sink, gate))
            for end in ends:
                end.close()
        except* (OSError, asyncio.CancelledError):  # a reset cancels, and asyncio's streams would log that
            pass
        finally:
            for end in ends:
                if not end.is_closing():
                    end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
                    end.transport.abort()

    async def _read(self, source: asyncio.StreamReader, chunks: _Chunks, gate: asyncio.Event) -> None:
        data = b"-"
        while data:
            await gate.wait()  # what is held fills the system's buffers
            try:
                data = await source.read(_CHUNK)
            except OSError:
                await gate.wait()  # a reset is held, too
                raise
            await chunks.put((self._loop.time() + self._delay, data))

    async def _write(self, chunks: _Chunks, sink: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        while True:
            due, data = await chunks.get()
            await asyncio.sleep(due - self._loop.time())
            await gate.wait()
            if not data:
                return sink.write_eof()
            sink.write(data)
            await sink.drain()
            if gate is self._up and self._bytes_left > 0:
                self._bytes_left -= len(data)
                if self._bytes_left <= 0:
                    self._cut = self._loop.create_task(self._reset())  # which cancels this one

    async def _steered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.to_thread(self.steer, (await reader.readline()).decode())
            writer.write(b"done")
        except ValueError as error:
            writer.write(str(error).encode())
        writer.close()


def tell(control_port: int, command: str) -> None:
    """Steer the proxy of another process; raises ValueError for a wrong command, OSError if there is no proxy."""
    with socket.create_connection((LOOPBACK, control_port), timeout=_SECONDS) as line:
        line.sendall(command.encode() + b"\n")
        answer = line.makefile().read()
    if answer != "done":
        raise ValueError(answer)


def _bound(port: int) -> socket.socket:
    each = socket.socket()
    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    each.bind((LOOPBACK, port))
    return each
