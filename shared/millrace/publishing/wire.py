"""AMQP 0-9-1 as bytes: a publish, and the frames that come back; py-amqp writes each message by itself."""

from functools import lru_cache
from struct import Struct

import amqp
from amqp import spec
from amqp.serialization import dumps

from millrace.publishing.message import Message

Frame = tuple[int, int, bytes]

METHOD, HEADER, BODY = 1, 2, 3
#: What a frame has besides its payload.
AROUND = 8
_END = 0xCE
_END_BYTE = bytes([_END])
_START = Struct(">BHI")  # type, channel, size of the payload (2.3.5)
_SIGNATURE = Struct(">HH")
_CONTENT = Struct(">BHIHHQ")  # a header frame's beginning: class, weight and size of the body (4.2.6.1)
_CONTENT_SIZE = _CONTENT.size - _START.size
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _MESSAGE_ID = 0x8000, 0x2000, 0x1000, 0x0080
_FLAGS = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _MESSAGE_ID
_PERSISTENT = 2


def signature(method: tuple[int, int]) -> bytes:
    """The bytes with which a method's payload begins."""
    return _SIGNATURE.pack(*method)


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """A frame as it is sent."""
    return _START.pack(kind, channel, len(payload)) + payload + _END_BYTE


def publish_frames(message: Message, channel: int, largest_frame: int) -> list[bytes]:
    """The bytes that publish a message, persistent and mandatory, in pieces; the same as py-amqp's.

    Raises struct.error, ValueError or amqp.exceptions.FrameSyntaxError for what AMQP, or one frame, cannot hold.
    """
    body, id_ = message.body, message.message_id.encode("utf-8", "surrogatepass")
    if message.headers:
        properties = _properties(message.content_type, dict(message.headers))
    else:
        properties = _plain_properties(message.content_type)
    size = _CONTENT_SIZE + len(properties) + 1 + len(id_)
    room = largest_frame - AROUND
    if size > room:
        raise ValueError(f"its headers must fit into {room} bytes")
    pieces = [
        publish_method(channel, message.exchange, message.routing_key),
        _CONTENT.pack(HEADER, channel, size, spec.Basic.CLASS_ID, 0, len(body)),
        properties,
        bytes((len(id_),)),
        id_,
        _END_BYTE,
    ]
    for at in range(0, len(body), room):
        part = body[at : at + room]
        pieces += (_START.pack(BODY, channel, len(part)), part, _END_BYTE)
    return pieces


@lru_cache(maxsize=1024)
def publish_method(channel: int, exchange: str, routing_key: str) -> bytes:
    """The method frame of a mandatory publish."""
    arguments: bytes = dumps("Bssbb", (0, exchange, routing_key, True, False))
    return frame(METHOD, channel, signature(spec.Basic.Publish) + arguments)


@lru_cache(maxsize=64)
def _plain_properties(content_type: str) -> bytes:
    return _properties(content_type, {})


def _properties(content_type: str, headers: dict[str, object]) -> bytes:
    """Flags and properties up to the message id, which is left to add."""
    properties: bytes = dumps("BsFo", (_FLAGS, content_type, headers, _PERSISTENT))
    return properties


def whole_frame(data: bytes, at: int) -> Frame | None:
    """The frame that begins here, as type, channel and payload; None if it has not come whole.

    Raises amqp.exceptions.UnexpectedFrame if it does not end as a frame must.
    """
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
