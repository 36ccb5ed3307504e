"""Messages whose properties py-amqp cannot decode: they must reach the guard and the keeper, not stop the reader.

A header of AMQP's type timestamp in milliseconds (an easy mistake from Node), or a property that is not UTF-8, raises
from the frame reader: the worker exits, the message is redelivered, the next worker exits (py-amqp 5.4.2).
"""

import base64
import struct
from typing import Any

import amqp

#: The header that stands for the properties that could not be read; it holds their bytes in base64.
UNDECODABLE = "millrace-undecodable-properties"

_decode = amqp.Message._load_properties


def _decode_or_keep(self: amqp.Message, class_id: int, buffer: Any, offset: int) -> int:
    try:
        return int(_decode(self, class_id, buffer, offset))
    except (ValueError, OverflowError, OSError, ArithmeticError, struct.error, amqp.AMQPError):
        raw = bytes(buffer[offset:])
        self.properties = {"application_headers": {UNDECODABLE: base64.b64encode(raw).decode()}}
        return offset + len(raw)


def keep_undecodable() -> None:
    """Make this process's AMQP connections go on when a message's properties cannot be decoded."""
    amqp.Message._load_properties = _decode_or_keep
