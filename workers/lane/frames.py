"""Reads what has arrived on an AMQP connection in one go; py-amqp asks the system nine times for each message."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

import amqp
from amqp.spec import Basic
from amqp.transport import SSLTransport, TCPTransport
from millrace.publishing.wire import AROUND, BODY, HEADER, METHOD, signature, whole_frame

from workers.lane.deliveries import RawDelivery

#: More is read the next time.
CHUNK = 256 * 1024
_DELIVER = signature(Basic.Deliver)


def take_in(connection: amqp.Connection, channel: int, take: Callable[[RawDelivery], bool]) -> bool:
    """Give all that has arrived to who wants it, without waiting; False if nothing had.

    `take` gets each delivery on the channel, and says whether it has taken it; it must not read from the connection.
    Every other frame goes to py-amqp, with all that follows still to be read, for what it does then may read. So does
    what is not whole yet. Raises what py-amqp raises.
    """
    transport = connection.transport
    reader = _READERS.get(type(transport))
    if reader is None or transport.sock is None:
        return False
    transport._read_buffer += reader(transport.sock)
    any_came = False
    while _hand_on(connection, transport, channel, take):
        any_came = True
    return any_came


def waits_for_more(connection: amqp.Connection) -> bool:
    """Whether nothing is to be done until more arrives: py-amqp would ask a TLS connection for it without a pause."""
    return type(connection.transport) is SSLTransport


def _from_tcp(sock: socket.socket) -> bytes:
    """What has arrived; raises OSError at the end."""
    if sock.gettimeout() is not None:  # the system would be asked to wait
        return b""
    try:
        return _some(sock.recv(CHUNK, socket.MSG_DONTWAIT))
    except (BlockingIOError, InterruptedError):
        return b""


def _from_tls(sock: socket.socket) -> bytes:
    """The same, down to the last record: what TLS has read from the system already wakes nobody."""
    arrived: list[bytes] = []
    patience = sock.gettimeout()
    sock.settimeout(0)
    try:
        while True:
            arrived.append(_some(sock.recv(CHUNK)))
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError, InterruptedError):
        return b"".join(arrived)
    except OSError:
        if not arrived:
            raise
        return b"".join(arrived)  # the end is met again
    finally:
        sock.settimeout(patience)


def _some(chunk: bytes) -> bytes:
    if not chunk:
        raise OSError("Server unexpectedly closed connection")
    return chunk


_READERS: dict[type, Callable[[socket.socket], bytes]] = {TCPTransport: _from_tcp, SSLTransport: _from_tls}


def _hand_on(connection: amqp.Connection, transport: Any, channel: int, take: Callable[[RawDelivery], bool]) -> bool:
    """Hand on the deliveries at the beginning of the buffer, and the one frame behind them; False if there is none."""
    data: bytes = transport._read_buffer
    at = 0
    try:
        while (delivery := _delivery(data, at, channel)) is not None and take(delivery):
            at += 3 * AROUND + len(delivery.method) + len(delivery.header) + len(delivery.body)
            connection.bytes_recv += 3  # by which py-amqp sees that the other side lives; it counts frames
    finally:
        transport._read_buffer = data[at:]
    frame = whole_frame(data, at)
    if frame is None:
        return at > 0
    transport._read_buffer = data[at + AROUND + len(frame[2]) :]
    connection.on_inbound_frame(frame)
    return True


def _delivery(data: bytes, at: int, channel: int) -> RawDelivery | None:
    """The delivery that begins here, if it has come whole and in three frames."""
    payloads = []
    for kind in (METHOD, HEADER, BODY):
        frame = whole_frame(data, at)
        if frame is None or frame[:2] != (kind, channel):
            return None
        payloads.append(frame[2])
        at += AROUND + len(frame[2])
    method, header, body = payloads
    if method[:4] != _DELIVER or header[4:12] != len(body).to_bytes(8, "big"):
        return None
    return RawDelivery(method, header, body)
