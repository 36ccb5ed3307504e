"""Reads what has arrived on an AMQP connection in one go; py-amqp asks the system nine times for each message."""

import socket
from struct import Struct
from typing import Any

import amqp
from amqp.spec import Basic
from amqp.transport import TCPTransport

#: More is read the next time.
CHUNK = 256 * 1024
_START = Struct(">BHI")  # type, channel, size of the payload (AMQP 0-9-1, 2.3.5)
_METHOD = Struct(">HH")
_METHOD_FRAME, _HEADER_FRAME, _BODY_FRAME = 1, 2, 3
_END = 0xCE


def take_in(connection: amqp.Connection, channel: int) -> bool:
    """Dispatch all frames that have arrived, without waiting; False if none had.

    `channel` is the one whose deliveries come in numbers. Whoever gets one must not read from the connection; before
    any other frame, all that follows it is given back to py-amqp's own reader, for those may. What is not a whole frame
    yet is left to it, too. A TLS connection is left to it altogether. Raises what py-amqp raises.
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
    while _dispatch(connection, transport, channel):
        any_came = True
    return any_came


def _dispatch(connection: amqp.Connection, transport: Any, channel: int) -> bool:
    """Dispatch the deliveries at the beginning of the buffer, and the one frame behind them; False if there is none."""
    data: bytes = transport._read_buffer
    at, length = 0, len(data)
    try:
        while (frame := whole_frame(data, at, length)) is not None:
            at += _START.size + len(frame[2]) + 1
            if not _is_delivery(frame, channel):
                transport._read_buffer, data = data[at:], b""
                connection.on_inbound_frame(frame)
                return True
            connection.on_inbound_frame(frame)
    finally:
        if data:
            transport._read_buffer = data[at:]
    return at > 0


def whole_frame(data: bytes, at: int, length: int) -> tuple[int, int, bytes] | None:
    """The frame that begins here, as type, channel and payload; None if it has not come whole."""
    begin = at + _START.size
    if length < begin:
        return None
    kind, channel, size = _START.unpack_from(data, at)
    end = begin + size
    if end >= length:
        return None
    if data[end] != _END:
        raise amqp.exceptions.UnexpectedFrame(f"a frame must end with {_END:#x}, got {data[end]:#x}")
    return kind, channel, data[begin:end]


def _is_delivery(frame: tuple[int, int, bytes], channel: int) -> bool:
    kind, of, payload = frame
    if of != channel:
        return False
    if kind == _METHOD_FRAME:
        return len(payload) >= _METHOD.size and _METHOD.unpack_from(payload) == Basic.Deliver
    return kind in (_HEADER_FRAME, _BODY_FRAME)
