"""A line that is written and read at the same time, on a real pair of sockets."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from millrace.publishing.line import Line
from millrace.publishing.wire import BODY, Frame, frame

from tests.encrypted import encrypted

FAR_FUTURE = 60.0


@pytest.fixture(params=["TCP", "TLS"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Line, socket.socket]]:
    """A line, and the broker's end of it."""
    near, far = socket.socketpair()
    if request.param == "TLS":
        near, far = encrypted(near, far)
    far.settimeout(FAR_FUTURE)
    with near, far:
        yield Line(near), far


def until(seconds: float = FAR_FUTURE) -> float:
    return time.monotonic() + seconds


def read(line: Line, count: int, seconds: float = FAR_FUTURE) -> list[Frame]:
    frames: list[Frame] = []
    while len(frames) < count:
        frames += line.turn(until(seconds))
    return frames


def test_two_ends_that_only_write_do_not_wait_for_each_other(ends: tuple[Line, socket.socket]) -> None:
    """A broker that returns large messages writes while we do: neither socket has room for all of it."""
    line, far = ends
    large = frame(BODY, 1, bytes(8_000_000))
    heard: list[int] = []

    def write_first_then_read() -> None:
        far.sendall(large)
        while sum(heard) < len(large):
            heard.append(len(far.recv(1_000_000)))

    other = threading.Thread(target=write_first_then_read)
    other.start()
    line.give(large)
    frames: list[Frame] = []
    while not (frames and line.idle):
        frames += line.turn(until())
    other.join(FAR_FUTURE)
    assert [len(payload) for _, _, payload in frames] == [8_000_000]
    assert sum(heard) == len(large)


def test_a_frame_in_pieces_is_one(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    first, second = frame(BODY, 1, b"first"), frame(BODY, 2, b"second")
    far.sendall(first + second[:5])
    assert read(line, 1) == [(BODY, 1, b"first")]
    far.sendall(second[5:])
    assert read(line, 1) == [(BODY, 2, b"second")]


@pytest.mark.parametrize("given", [b"", bytes(8_000_000)], ids=["nothing to send", "more to send than there is room"])
def test_silence_is_a_time_out(ends: tuple[Line, socket.socket], given: bytes) -> None:
    line, _ = ends
    line.give(given)
    with pytest.raises(TimeoutError):
        read(line, 1, seconds=0.05)


class Trickle(socket.socket):
    """A socket that takes a byte at a time."""

    def send(self, data: Any, flags: int = 0) -> int:
        """Send the first byte."""
        return super().send(data[:1], flags)


def test_who_takes_little_and_never_answers_is_not_sent_to_for_longer() -> None:
    near, far = socket.socketpair()
    with Trickle(fileno=near.detach()) as trickle, far:
        line = Line(trickle)
        line.give(bytes(20))
        with pytest.raises(TimeoutError):
            read(line, 1, seconds=0)
        assert not line.idle


def test_what_has_come_is_read_though_it_is_late(ends: tuple[Line, socket.socket]) -> None:
    """A process that was stopped for a while has its answers in the socket."""
    line, far = ends
    far.sendall(frame(BODY, 1, b"late"))
    assert list(line.turn(until(-1))) == [(BODY, 1, b"late")]


def test_a_line_that_ends_is_lost(ends: tuple[Line, socket.socket]) -> None:
    line, far = ends
    far.sendall(frame(BODY, 1, b"last"))
    far.close()
    assert read(line, 1) == [(BODY, 1, b"last")]
    with pytest.raises(ConnectionResetError, match="the broker closed the connection"):
        read(line, 1)
