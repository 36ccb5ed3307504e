"""The frame reader against py-amqp's own: the same bytes, in whatever pieces, are the same frames."""

import socket
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import amqp
import pytest
from amqp.transport import SSLTransport, TCPTransport
from hypothesis import given
from hypothesis import strategies as st

from workers.lane.frames import take_in

CHANNEL = 1
DELIVER = struct.pack(">HH", 60, 60)


class Connected:
    """A connection whose other end is ours; it notes what is dispatched, and what py-amqp's reader would read next."""

    def __init__(self) -> None:
        self.far, near = socket.socketpair()
        self.transport = TCPTransport("nowhere")
        self.transport.sock = near
        self.transport._setup_transport()
        self.frames: list[tuple[int, int, bytes]] = []
        self.reads_again: list[Any] = []

    def on_inbound_frame(self, frame: tuple[int, int, bytes]) -> None:
        """What py-amqp does with a frame; here a frame of another channel reads the next one by itself."""
        self.frames.append(frame)
        if frame[1] == CHANNEL + 1:
            self.frames.append(self.read())

    def read(self) -> tuple[int, int, bytes]:
        """The next frame, by py-amqp's own reader."""
        with self.transport.having_timeout(1):
            frame: tuple[int, int, bytes] = self.transport.read_frame()
            return frame

    def close(self) -> None:
        """Close both ends."""
        self.far.close()
        self.transport.sock.close()


@pytest.fixture
def connected() -> Iterator[Connected]:
    one = Connected()
    yield one
    one.close()


def encoded(frame: tuple[int, int, bytes]) -> bytes:
    kind, channel, payload = frame
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


FRAMES = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 8]),
        st.sampled_from([0, CHANNEL, CHANNEL, CHANNEL]),
        st.one_of(
            st.binary(max_size=60), st.binary(max_size=20).map(lambda rest: DELIVER + rest), st.just(b"\xce" * 9)
        ),
    ),
    max_size=20,
)


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 2000), max_size=5))
def test_any_frames_in_any_pieces(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    connected = Connected()
    try:
        raw = b"".join(encoded(frame) for frame in frames)
        edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
        for begin, end in pairwise(edges):
            connected.far.sendall(raw[begin:end])
            take_in(connected, CHANNEL)
        assert connected.frames == frames
        assert not take_in(connected, CHANNEL)
    finally:
        connected.close()


def test_half_a_frame_is_left_to_py_amqp(connected: Connected) -> None:
    first, second = (3, CHANNEL, b"first"), (3, CHANNEL, b"second")
    raw = encoded(first) + encoded(second)
    connected.far.sendall(raw[:-4])
    assert take_in(connected, CHANNEL)
    assert connected.frames == [first]
    connected.far.sendall(raw[-4:])
    assert connected.read() == second


def test_who_reads_by_himself_gets_the_frame_that_follows(connected: Connected) -> None:
    """A remote-control command whose answer needs a round trip, amid deliveries."""
    before, other, next_ = (3, CHANNEL, b"a"), (1, CHANNEL + 1, b"command"), (1, CHANNEL + 1, b"")
    after = (1, CHANNEL, DELIVER)
    next_ = (8, 0, b"")
    connected.far.sendall(b"".join(encoded(frame) for frame in (before, other, next_, after)))
    take_in(connected, CHANNEL)
    assert connected.frames == [before, other, next_, after]


def test_an_error_leaves_what_follows_in_its_place(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_frame: tuple[int, int, bytes]) -> None:
        raise amqp.exceptions.NotFound

    monkeypatch.setattr(connected, "on_inbound_frame", refuse)
    after = (3, CHANNEL, b"after")
    for frame in ((3, CHANNEL, b"a"), (1, CHANNEL, b"closed")):
        connected.far.sendall(encoded(frame) + encoded(after))
        with pytest.raises(amqp.exceptions.NotFound):
            take_in(connected, CHANNEL)
        assert connected.read() == after


def test_what_is_no_frame_is_an_error(connected: Connected) -> None:
    connected.far.sendall(encoded((3, CHANNEL, b"a"))[:-1] + b"\x00")
    with pytest.raises(amqp.exceptions.UnexpectedFrame):
        take_in(connected, CHANNEL)


def test_an_end_is_an_error(connected: Connected) -> None:
    connected.far.close()
    with pytest.raises(OSError, match="closed"):
        take_in(connected, CHANNEL)


def test_a_tls_connection_is_left_to_py_amqp(connected: Connected) -> None:
    """Its socket cannot be asked so."""
    connected.far.sendall(encoded((3, CHANNEL, b"a")))
    plain = connected.transport
    connected.transport = SSLTransport("nowhere")
    connected.transport.sock = plain.sock
    assert not take_in(connected, CHANNEL)
    connected.transport = plain
    assert take_in(connected, CHANNEL)
