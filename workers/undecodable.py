"""Messages whose properties py-amqp cannot decode: they must reach the guard and the keeper, not stop the reader.

A header of AMQP's type timestamp in milliseconds (an easy mistake from Node), or a property that is not UTF-8, raises
from the frame reader: the worker exits, the message is redelivered, the next worker exits (py-amqp 5.4.2).

Nor may py-amqp decode bodies by the `content-encoding` that a sender declares: the bytes that a letter must keep would
be others, and UTF-16 would pass for the UTF-8 that CloudEvents asks for.
"""

import base64
import struct
from typing import Any

import amqp

from workers.received import UNDECODABLE, Delivery, body_bytes

_decode = amqp.Message._load_properties
_open = amqp.Channel.__init__


def _decode_or_keep(self: amqp.Message, class_id: int, buffer: Any, offset: int) -> int:
    try:
        return int(_decode(self, class_id, buffer, offset))
    except (ValueError, OverflowError, OSError, ArithmeticError, struct.error, amqp.AMQPError):
        raw = bytes(buffer[offset:])
        self.properties = {"application_headers": {UNDECODABLE: base64.b64encode(raw).decode()}}
        return offset + len(raw)


def _open_without_decoding(
    self: amqp.Channel, connection: Any, channel_id: Any = None, auto_decode: bool = False, on_open: Any = None
) -> None:
    _open(self, connection, channel_id, auto_decode, on_open)


def keep_undecodable() -> None:
    """Make this process's AMQP connections give bodies as bytes, and go on when properties cannot be decoded."""
    amqp.Message._load_properties = _decode_or_keep
    amqp.Channel.__init__ = _open_without_decoding


def delivery_of(message: amqp.Message, exchange: str = "") -> Delivery:
    """A message as py-amqp gives it; `exchange` is told where it matters through which it came."""
    properties = dict(message.properties)
    headers = properties.pop("application_headers", None) or {}
    content_type = properties.get("content_type")
    return Delivery(body_bytes(message.body), content_type, headers, properties, exchange)
