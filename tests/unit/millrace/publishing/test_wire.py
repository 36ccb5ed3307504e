"""The bytes of a publish against py-amqp's own: the same, whatever the message; and what AMQP cannot say is refused."""

import struct
from types import SimpleNamespace

import amqp
import pytest
from amqp.method_framing import frame_writer
from amqp.serialization import dumps
from amqp.spec import Basic
from hypothesis import given
from hypothesis import strategies as st
from millrace.publishing.message import Message
from millrace.publishing.wire import BODY, METHOD, frame, publish_frames, whole_frame

CHANNEL = 3
LARGEST = 4096
ERRORS = (struct.error, ValueError, amqp.exceptions.FrameSyntaxError)

#: Of any length that a short string has, and longer; lone surrogates too.
TEXT = st.one_of(st.text(max_size=12), st.text(min_size=80, max_size=90), st.text(min_size=250, max_size=258))
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(), st.binary(), st.lists(st.text(), max_size=3)
)
MESSAGES = st.builds(
    Message,
    exchange=TEXT,
    routing_key=TEXT,
    message_id=TEXT,
    content_type=TEXT,
    headers=st.dictionaries(TEXT, VALUES, max_size=4),
    # around the size of a frame, of two, and of none
    body=st.one_of(
        st.binary(max_size=40),
        st.sampled_from([LARGEST - 400, LARGEST - 8, LARGEST - 7, 2 * (LARGEST - 8), 3 * LARGEST]).map(bytes),
    ),
)


def by_py_amqp(message: Message) -> bytes:
    """What py-amqp writes for the same publish; raises what it raises."""
    written: list[bytes] = []
    transport = SimpleNamespace(write=lambda data: written.append(bytes(data)))
    write = frame_writer(SimpleNamespace(frame_max=LARGEST, bytes_sent=0), transport)
    content = amqp.Message(
        message.body,
        content_type=message.content_type,
        delivery_mode=2,
        message_id=message.message_id,
        application_headers=dict(message.headers),
    )
    arguments = dumps("Bssbb", (0, message.exchange, message.routing_key, True, False))
    write(METHOD, CHANNEL, Basic.Publish, arguments, content)
    return b"".join(written)


@given(message=MESSAGES)
def test_a_publish_is_the_same_bytes_as_py_amqps(message: Message) -> None:
    try:
        expected = by_py_amqp(message)
    except ERRORS:
        with pytest.raises(ERRORS):
            publish_frames(message, CHANNEL, LARGEST)
    else:
        assert b"".join(publish_frames(message, CHANNEL, LARGEST)) == expected


def test_headers_beyond_a_frame_are_refused_for_the_broker_would_close_the_connection() -> None:
    def message(size: int) -> Message:
        return Message(exchange="", routing_key="k", body=b"", message_id="1", headers={"h": "x" * size})

    around = len(publish_frames(message(0), CHANNEL, LARGEST)[2]) + 12 + 2  # class and size before, the id behind
    publish_frames(message(LARGEST - 8 - around), CHANNEL, LARGEST)
    with pytest.raises(ValueError, match="its headers must fit into 4088 bytes"):
        publish_frames(message(LARGEST - 7 - around), CHANNEL, LARGEST)


@given(payloads=st.lists(st.binary(max_size=30), max_size=4), missing=st.integers(0, 40))
def test_frames_are_read_as_they_were_written(payloads: list[bytes], missing: int) -> None:
    raw = b"".join(frame(BODY, CHANNEL, payload) for payload in payloads)
    data, found, at = raw[: len(raw) - missing], [], 0
    while (one := whole_frame(data, at)) is not None:
        found.append(one)
        at += 8 + len(one[2])
    assert found == [(BODY, CHANNEL, payload) for payload in payloads][: len(found)]
    assert len(raw) - at <= missing + max((8 + len(payload) for payload in payloads), default=0)
    assert found == [(BODY, CHANNEL, payload) for payload in payloads] or missing


def test_a_frame_that_does_not_end_as_it_must_is_refused() -> None:
    with pytest.raises(amqp.exceptions.UnexpectedFrame, match="must end with 0xce, got 0x0"):
        whole_frame(frame(BODY, CHANNEL, b"a")[:-1] + b"\x00", 0)
