"""The proxy's faults, each seen from both ends of a line."""

import contextlib
import socket
import socketserver
import threading
import time
from collections import deque
from collections.abc import Iterator
from functools import partial

import pytest

from operations.faults.proxy import Proxy, tell


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(1024):
                self.request.sendall(data)
        except ConnectionResetError:
            self.server.resets.release()  # type: ignore[attr-defined]


class EchoServer(socketserver.ThreadingTCPServer):
    """Says what it is told, counts resets."""

    daemon_threads = True

    def __init__(self) -> None:
        self.resets = threading.Semaphore(0)
        super().__init__(("127.0.0.1", 0), _Echo)


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as echo:
        thread = threading.Thread(target=echo.serve_forever, args=(0.01,))
        thread.start()
        yield echo
        echo.shutdown()
        thread.join(10)


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", server.server_address[1]) as one:
        yield one


@pytest.fixture
def line(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as one:
        say(one, b"hello")
        yield one


def say(line: socket.socket, text: bytes) -> None:
    """Say it and hear it again."""
    line.sendall(text)
    assert line.recv(1024) == text


def silent(line: socket.socket) -> bool:
    """Whether nothing comes for a moment."""
    line.settimeout(0.2)
    try:
        return not line.recv(1024) and False
    except TimeoutError:
        return True
    finally:
        line.settimeout(5)


def test_what_is_said_passes(line: socket.socket, proxy: Proxy) -> None:
    say(line, b"again")
    line.shutdown(socket.SHUT_WR)
    assert line.recv(1024) == b""
    assert proxy.accepted == 1


def test_delay_is_added_each_way_and_keeps_the_order(line: socket.socket, proxy: Proxy) -> None:
    proxy.delay(0.1)
    started = time.monotonic()
    line.sendall(b"one ")
    time.sleep(0.05)
    line.sendall(b"two")
    heard = line.recv(1024)
    first = time.monotonic() - started
    while heard != b"one two":
        heard += line.recv(1024)
    both = time.monotonic() - started
    assert 0.2 <= first < 0.25 + 0.2
    assert 0.25 <= both < first + 0.2, "a second chunk must not wait for the first one's delay"


@pytest.mark.parametrize("way", ["up", "down", "both"])
def test_what_is_held_passes_later(line: socket.socket, proxy: Proxy, way: str) -> None:
    proxy.hold(up=way != "down", down=way != "up")
    line.sendall(b"held")
    assert silent(line)
    proxy.let_pass()
    assert line.recv(1024) == b"held"


def test_a_held_line_does_not_tell_that_the_other_end_is_gone(
    line: socket.socket, proxy: Proxy, server: EchoServer
) -> None:
    proxy.hold()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    line.close()
    assert not server.resets.acquire(timeout=0.2)
    proxy.let_pass()
    assert server.resets.acquire(timeout=5)


@pytest.mark.parametrize("held", [False, True])
def test_a_cut_resets_both_ends(line: socket.socket, proxy: Proxy, server: EchoServer, held: bool) -> None:
    if held:
        proxy.hold()
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        line.recv(1024)
    assert server.resets.acquire(timeout=5)


def test_a_cut_comes_after_so_many_bytes(line: socket.socket, proxy: Proxy) -> None:
    proxy.cut_after(10)
    say(line, b"fives")
    line.sendall(b"fives")
    with pytest.raises(ConnectionResetError):
        deque(iter(partial(line.recv, 1024), b""))


def test_refuse_resets_and_refuses_until_all_may_pass(line: socket.socket, proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        line.recv(1024)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    proxy.let_pass()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as again:
        say(again, b"hello")


def test_the_end_leaves_no_connection_open_that_was_just_taken(server: EchoServer) -> None:
    for _ in range(20):
        with Proxy("127.0.0.1", server.server_address[1]) as proxy:
            lines = [socket.create_connection(("127.0.0.1", proxy.port), timeout=5) for _ in range(3)]
        for each in lines:
            with each, contextlib.suppress(ConnectionResetError):
                assert each.recv(1) == b""  # a line left open would say nothing


def test_another_process_steers_it(line: socket.socket, proxy: Proxy) -> None:
    tell(proxy.control_port, "hold down")
    line.sendall(b"held")
    assert silent(line)
    tell(proxy.control_port, "delay 0.01")
    assert line.recv(1024) == b"held"
    tell(proxy.control_port, "cut")
    with pytest.raises(ConnectionResetError):
        line.recv(1024)
    tell(proxy.control_port, "refuse")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    tell(proxy.control_port, "pass")
    socket.create_connection(("127.0.0.1", proxy.port), timeout=5).close()


def test_a_stranded_line_counts_once(line: socket.socket, proxy: Proxy) -> None:
    assert proxy.strand() == 1
    line.sendall(b"held")
    assert silent(line)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as another:
        say(another, b"passes")
        assert proxy.strand() == 1
        assert proxy.strand() == 0


@pytest.mark.parametrize("command", ["explode", "delay", "delay soon", "hold sideways"])
def test_a_wrong_command_is_refused(proxy: Proxy, command: str) -> None:
    with pytest.raises(ValueError, match=r"must be|could not convert"):
        tell(proxy.control_port, command)
