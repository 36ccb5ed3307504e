"""Reads what has arrived on an AMQP connection in one go; py-amqp asks the system nine times for each message."""

import socket
from collections.abc import Callable
from struct import Struct
from typing import Any

import amqp
from amqp.spec import Basic
from amqp.transport import TCPTransport

from workers.lane.deliveries import RawDelivery

Frame = tuple[int, int, bytes]

#: More is read the next time.
CHUNK = 256 * 1024
_START = Struct(">BHI")  # type, channel, size of the payload (AMQP 0-9-1, 2.3.5)
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 0xCE
_DELIVER = Struct(">HH").pack(*Basic.Deliver)


def take_in(connection: amqp.Connection, channel: int, take: Callable[[RawDelivery], bool]) -> bool:
    """Give all that has arrived to who wants it, without waiting; False if nothing had.

    `take` gets each delivery on the channel, and says whether it has taken it; it must not read from the connection.
    Every other frame goes to py-amqp, with all that follows still to be read, for what it does then may read. So does
    what is not whole yet, and all of a TLS connection. Raises what py-amqp raises.
    """
    transport = connection.transport
    if type(transport) is not TCPTransport or transport.sock is None or transport.sock.gettimeout() is not None:
        return False
    try:
        chunk = transport.sock.recv(CHUNK, socket.MSG_DONTWAIT)
    except (BlockingIOError, InterruptedError):
        chunk = None
    if chunk == b"":
        raise OSError("Server unexpectedly closed connection")
    transport._read_buffer += chunk or b""
    any_came = False
    while _hand_on(connection, transport, channel, take):
        any_came = True
    return any_came


def _hand_on(connection: amqp.Connection, transport: Any, channel: int, take: Callable[[RawDelivery], bool]) -> bool:
    """Hand on the deliveries at the beginning of the buffer, and the one frame behind them; False if there is none."""
    data: bytes = transport._read_buffer
    at = 0
    try:
        while (delivery := _delivery(data, at, channel)) is not None and take(delivery):
            at += 3 * (_START.size + 1) + len(delivery.method) + len(delivery.header) + len(delivery.body)
            connection.bytes_recv += 3  # by which py-amqp sees that the other side lives; it counts frames
    finally:
        transport._read_buffer = data[at:]
    frame = whole_frame(data, at)
    if frame is None:
        return at > 0
    transport._read_buffer = data[at + _START.size + len(frame[2]) + 1 :]
    connection.on_inbound_frame(frame)
    return True


def whole_frame(data: bytes, at: int) -> Frame | None:
    """The frame that begins here, as type, channel and payload; None if it has not come whole."""
    begin = at + _START.size
    if len(data) < begin:
        return None
    kind, channel, size = _START.unpack_from(data, at)
    end = begin + size
    if end >= len(data):
        return None
    if data[end] != _END:
        raise amqp.exceptions.UnexpectedFrame(f"a frame must end with {_END:#x}, got {data[end]:#x}")
    return kind, channel, data[begin:end]


def _delivery(data: bytes, at: int, channel: int) -> RawDelivery | None:
    """The delivery that begins here, if it has come whole and in three frames."""
    payloads = []
    for kind in (_METHOD, _HEADER, _BODY):
        frame = whole_frame(data, at)
        if frame is None or frame[:2] != (kind, channel):
            return None
        payloads.append(frame[2])
        at += _START.size + len(frame[2]) + 1
    method, header, body = payloads
    if method[:4] != _DELIVER or header[4:12] != len(body).to_bytes(8, "big"):
        return None
    return RawDelivery(method, header, body)
