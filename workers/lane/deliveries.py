"""Deliveries as their frames say them: the usual ones, nearly all, need none of py-amqp's and kombu's objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct, error, unpack_from
from typing import Any

import amqp
from kombu.message import Message as IncomingMessage
from millrace.envelope import CONTENT_TYPE

_TYPE = CONTENT_TYPE.encode()
_ENCODED_TYPE = bytes([len(_TYPE)]) + _TYPE
#: After the consumer's tag: delivery tag, redelivered, length of the exchange's name (AMQP 0-9-1, 1.8.3.14).
_DELIVERY = Struct(">QBB")
#: Class, weight, size of the body; then the flags of the properties that are there, and those (4.2.6.1).
_FLAGS_AT, _PROPERTIES_AT = 12, 14
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _MESSAGE_ID = 0x8000, 0x2000, 0x1000, 0x0080
_KNOWN = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _MESSAGE_ID


@dataclass(frozen=True, slots=True)
class RawDelivery:
    """The payloads of a delivery's three frames."""

    method: bytes
    header: bytes
    body: bytes

    def usual(self, exchanges: Mapping[bytes, str]) -> tuple[int, str] | None:
        """Tag and exchange of a first delivery from one of these, as Millrace itself sends events; None of any other.

        It has a type, a message id and nothing in its headers; what else may be said of a message matters to the guard.
        """
        try:
            tag, redelivered, length = _DELIVERY.unpack_from(self.method, 5 + self.method[4])
            begin = 5 + self.method[4] + _DELIVERY.size
            exchange = exchanges.get(self.method[begin : begin + length])
            if redelivered or exchange is None or not _has_usual_properties(self.header):
                return None
        except (IndexError, error, UnicodeDecodeError):
            return None
        return tag, exchange

    def message(self, channel: Any) -> IncomingMessage:
        """The message that kombu would have made of it."""
        (consumer, tag, redelivered, exchange, key), _ = amqp.serialization.loads("sLbss", self.method, 4)
        raw = amqp.Message(channel=channel)
        raw.inbound_header(self.header)
        raw.inbound_body(self.body)
        raw.delivery_info = {
            "consumer_tag": consumer,
            "delivery_tag": tag,
            "redelivered": redelivered,
            "exchange": exchange,
            "routing_key": key,
        }
        message: IncomingMessage = channel.message_to_python(raw)
        return message


def _has_usual_properties(header: bytes) -> bool:
    (flags,) = unpack_from(">H", header, _FLAGS_AT)
    at = _PROPERTIES_AT + len(_ENCODED_TYPE)
    if flags & ~_KNOWN or not flags & _CONTENT_TYPE or header[_PROPERTIES_AT:at] != _ENCODED_TYPE:
        return False
    if flags & _HEADERS:
        if unpack_from(">I", header, at) != (0,):
            return False
        at += 4
    if flags & _DELIVERY_MODE:
        at += 1
    if flags & _MESSAGE_ID:
        at, begin = at + 1 + header[at], at + 1
        header[begin:at].decode()
    return at == len(header)
