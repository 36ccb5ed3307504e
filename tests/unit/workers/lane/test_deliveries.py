"""A delivery's frames against what py-amqp and kombu make of them."""

import struct
from typing import Any
from unittest.mock import Mock

import amqp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport.pyamqp import Message as IncomingMessage
from millrace.envelope import CONTENT_TYPE

from workers.lane.deliveries import RawDelivery

WAYS = {b"in": "in"}
USUAL = {"content_type": CONTENT_TYPE, "delivery_mode": 2, "message_id": "1", "application_headers": {}}


def short(text: str) -> bytes:
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def raw(
    properties: dict[str, Any], *, exchange: str = "in", redelivered: bool = False, header: bytes | None = None
) -> RawDelivery:
    method = struct.pack(">HH", 60, 60) + short("consumer") + struct.pack(">QB", 7, redelivered)
    encoded = amqp.Message("", **properties)._serialize_properties() if header is None else header
    content = struct.pack(">HHQ", 60, 0, 4) + encoded
    return RawDelivery(method + short(exchange) + short("user.signed_up"), content, b"body")


@pytest.mark.parametrize("absent", ["", "delivery_mode", "message_id", "application_headers"])
def test_what_millrace_sends_is_usual(absent: str) -> None:
    properties = {name: value for name, value in USUAL.items() if name != absent}
    assert raw(properties).usual(WAYS) == (7, "in")


@pytest.mark.parametrize(
    "changes",
    [
        {"content_type": "application/json"},
        {"application_headers": {"x-delivery-count": 1}},
        {"application_headers": {"task": "user.signed_up"}},
        {"content_encoding": "utf-8"},
        {"user_id": "web"},
        {"app_id": "x"},
        {"timestamp": 1},
        {"priority": 1},
    ],
    ids=str,
)
def test_what_says_more_is_not(changes: dict[str, Any]) -> None:
    assert raw({**USUAL, **changes}).usual(WAYS) is None


def test_what_comes_again_or_another_way_is_not() -> None:
    assert raw(USUAL, redelivered=True).usual(WAYS) is None
    assert raw(USUAL, exchange="celery_delayed_delivery").usual(WAYS) is None


def test_what_cannot_be_decoded_is_not() -> None:
    good = amqp.Message("", **USUAL)._serialize_properties()
    for header in (good[:-1] + b"\xff", good[:-1], good + b"x", good[:5], b"\x80\x01" + good[2:], b""):
        assert raw({}, header=header).usual(WAYS) is None


PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "content_type": st.sampled_from([CONTENT_TYPE, "application/json", ""]),
        "content_encoding": st.sampled_from(["utf-8", ""]),
        "application_headers": st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 9), max_size=2),
        "delivery_mode": st.sampled_from([1, 2]),
        "priority": st.integers(0, 9),
        "correlation_id": st.text(max_size=5),
        "message_id": st.text(max_size=20),
        "user_id": st.text(max_size=5),
    },
)


@given(properties=PROPERTIES, redelivered=st.booleans(), exchange=st.sampled_from(["in", "dead", ""]))
def test_usual_means_that_nothing_else_is_said(properties: dict[str, Any], redelivered: bool, exchange: str) -> None:
    """By py-amqp's own reading."""
    delivery = raw(properties, redelivered=redelivered, exchange=exchange)
    channel = Mock()
    channel.message_to_python = lambda message: IncomingMessage(message, channel=channel)
    message = delivery.message(channel)
    assert (message.delivery_tag, message.body, message.channel) == (7, b"body", channel)
    assert message.delivery_info == {
        "consumer_tag": "consumer",
        "delivery_tag": 7,
        "redelivered": redelivered,
        "exchange": exchange,
        "routing_key": "user.signed_up",
    }
    assert message.properties == amqp.Message("", **properties).properties
    if delivery.usual(WAYS) is not None:
        assert message.content_type == CONTENT_TYPE
        assert not message.headers
        assert set(message.properties) <= set(USUAL)
        assert (redelivered, exchange) == (False, "in")
