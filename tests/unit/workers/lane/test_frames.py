"""The frame reader against py-amqp's own: the same bytes, in whatever pieces, are the same frames."""

import socket
import struct
from collections.abc import Iterator
from itertools import chain, pairwise
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from amqp.transport import SSLTransport, TCPTransport
from hypothesis import given
from hypothesis import strategies as st

from tests.encrypted import encrypted
from workers.lane.deliveries import RawDelivery
from workers.lane.frames import take_in

CHANNEL = 1
TRANSPORTS = [TCPTransport, SSLTransport]
DELIVER = struct.pack(">HH", 60, 60)


class Connected:
    """A connection whose other end is ours; it notes what is dispatched, and what py-amqp's reader would read next."""

    def __init__(self, transport: type[TCPTransport | SSLTransport]) -> None:
        near: Any
        near, self.far = socket.socketpair()
        if transport is SSLTransport:
            near, self.far = encrypted(near, self.far)
        self.transport: Any = transport("nowhere")
        self.transport.sock = near
        if transport is SSLTransport:
            self.transport._quick_recv = near.read  # as its own way to connect leaves it
            near.settimeout(4)
        else:
            self.transport._setup_transport()
        self.frames: list[tuple[int, int, bytes]] = []
        self.taken: list[RawDelivery] = []
        self.bytes_recv = 0

    def on_inbound_frame(self, frame: tuple[int, int, bytes]) -> None:
        """What py-amqp does with a frame; here a frame of another channel reads the next one by itself."""
        self.frames.append(frame)
        if frame[1] == CHANNEL + 1:
            self.frames.append(self.read())

    def take(self, delivery: RawDelivery) -> bool:
        """Take each second delivery; its frames are then seen by nobody else."""
        if len(delivery.body) % 2:
            return False
        self.taken.append(delivery)
        payloads = (delivery.method, delivery.header, delivery.body)
        self.frames += [(kind, CHANNEL, payload) for kind, payload in enumerate(payloads, 1)]
        return True

    def read(self) -> tuple[int, int, bytes]:
        """The next frame, by py-amqp's own reader."""
        with self.transport.having_timeout(1):
            frame: tuple[int, int, bytes] = self.transport.read_frame()
            return frame

    def close(self) -> None:
        """Close both ends."""
        self.far.close()
        self.transport.sock.close()


@pytest.fixture(params=TRANSPORTS)
def connected(request: pytest.FixtureRequest) -> Iterator[Connected]:
    one = Connected(request.param)
    yield one
    one.close()


def encoded(frame: tuple[int, int, bytes]) -> bytes:
    kind, channel, payload = frame
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


ANY = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 8]),
        st.sampled_from([0, CHANNEL, CHANNEL, CHANNEL]),
        st.one_of(
            st.binary(max_size=60), st.binary(max_size=20).map(lambda rest: DELIVER + rest), st.just(b"\xce" * 9)
        ),
    ),
    max_size=4,
)


def delivery_of(body: bytes, said: int) -> list[tuple[int, int, bytes]]:
    """A delivery's three frames; its header may say another size than the body has."""
    header = struct.pack(">HHQ", 60, 0, said) + b"\x00\x00"
    return [(1, CHANNEL, DELIVER + b"method"), (2, CHANNEL, header), (3, CHANNEL, body)]


WHOLE = st.binary(min_size=1, max_size=30).map(lambda body: delivery_of(body, len(body)))
PARTS = st.binary(min_size=1, max_size=30).map(lambda body: delivery_of(body, len(body) + 5))
FRAMES = st.lists(st.one_of(ANY, WHOLE, WHOLE, PARTS), max_size=8).map(lambda parts: list(chain.from_iterable(parts)))


@pytest.mark.parametrize("transport", TRANSPORTS)
@given(frames=FRAMES, cuts=st.lists(st.integers(0, 2000), max_size=5))
def test_any_frames_in_any_pieces(
    transport: type[TCPTransport | SSLTransport], frames: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    connected = Connected(transport)
    try:
        raw = b"".join(encoded(frame) for frame in frames)
        edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
        for begin, end in pairwise(edges):
            connected.far.sendall(raw[begin:end])
            take_in(connected, CHANNEL, connected.take)
        assert connected.frames == frames
        assert not take_in(connected, CHANNEL, connected.take)
    finally:
        connected.close()


def test_who_takes_a_delivery_keeps_it_from_py_amqp(connected: Connected) -> None:
    """It counts as heard of the other side all the same: else a busy connection would be taken for a silent one."""
    taken, left = delivery_of(b"even", 4), delivery_of(b"odd", 3)
    for frame in (*taken, *left):
        connected.far.sendall(encoded(frame))
    assert take_in(connected, CHANNEL, connected.take)
    assert [each.body for each in connected.taken] == [b"even"]
    assert connected.bytes_recv == 3
    assert connected.frames == taken + left


def test_half_a_frame_is_left_to_py_amqp(connected: Connected) -> None:
    first, second = (3, CHANNEL, b"first"), (3, CHANNEL, b"second")
    raw = encoded(first) + encoded(second)
    connected.far.sendall(raw[:-4])
    assert take_in(connected, CHANNEL, connected.take)
    assert connected.frames == [first]
    connected.far.sendall(raw[-4:])
    assert connected.read() == second


def test_who_reads_by_himself_gets_the_frame_that_follows(connected: Connected) -> None:
    """A remote-control command whose answer needs a round trip, amid deliveries."""
    before, other, next_ = (3, CHANNEL, b"a"), (1, CHANNEL + 1, b"command"), (1, CHANNEL + 1, b"")
    after = (1, CHANNEL, DELIVER)
    next_ = (8, 0, b"")
    connected.far.sendall(b"".join(encoded(frame) for frame in (before, other, next_, after)))
    take_in(connected, CHANNEL, connected.take)
    assert connected.frames == [before, other, next_, after]


def test_an_error_leaves_what_follows_in_its_place(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_frame: tuple[int, int, bytes]) -> None:
        raise amqp.exceptions.NotFound

    monkeypatch.setattr(connected, "on_inbound_frame", refuse)
    after = (3, CHANNEL, b"after")
    for frame in ((3, CHANNEL, b"a"), (1, CHANNEL, b"closed")):
        connected.far.sendall(encoded(frame) + encoded(after))
        with pytest.raises(amqp.exceptions.NotFound):
            take_in(connected, CHANNEL, connected.take)
        assert connected.read() == after


def test_what_is_no_frame_is_an_error(connected: Connected) -> None:
    connected.far.sendall(encoded((3, CHANNEL, b"a"))[:-1] + b"\x00")
    with pytest.raises(amqp.exceptions.UnexpectedFrame):
        take_in(connected, CHANNEL, connected.take)


def test_an_end_is_an_error(connected: Connected) -> None:
    connected.far.close()
    with pytest.raises(OSError, match="closed"):
        take_in(connected, CHANNEL, connected.take)


def test_what_comes_before_the_end_is_not_lost(connected: Connected) -> None:
    connected.far.sendall(encoded((3, CHANNEL, b"a")))
    connected.far.close()
    assert take_in(connected, CHANNEL, connected.take)
    assert connected.frames == [(3, CHANNEL, b"a")]
    with pytest.raises(OSError, match="closed"):
        take_in(connected, CHANNEL, connected.take)


def test_all_that_tls_has_read_is_taken(connected: Connected) -> None:
    """More than a record (16 KiB): the rest lies within TLS, where no event of the socket tells of it."""
    frames = [(3, CHANNEL, bytes(15_000)) for _ in range(10)]
    connected.far.sendall(b"".join(map(encoded, frames)))
    assert take_in(connected, CHANNEL, connected.take)
    assert connected.frames == frames


def test_a_connection_of_another_kind_is_left_to_py_amqp(connected: Connected) -> None:
    connected.far.sendall(encoded((3, CHANNEL, b"a")))
    plain = connected.transport
    connected.transport = SimpleNamespace(sock=plain.sock)
    assert not take_in(connected, CHANNEL, connected.take)
    connected.transport = plain
    assert take_in(connected, CHANNEL, connected.take)


def test_the_sockets_own_patience_stays(connected: Connected) -> None:
    before = connected.transport.sock.gettimeout()
    assert not take_in(connected, CHANNEL, connected.take)
    assert connected.transport.sock.gettimeout() == before
