"""The message that carries an event."""

import pytest
from millrace import Envelope, InvalidEvent, names, seal
from millrace.envelope import CONTENT_TYPE, MAX_BYTES
from millrace.events import UserSignedUp
from millrace.publishing.message import event_message


def test_an_event_goes_to_the_door_by_its_type() -> None:
    envelope = seal(UserSignedUp(user_id="1"), source="/web", id="e-1")
    message = event_message(envelope)
    assert (message.exchange, message.routing_key, message.message_id) == (names.IN, "user.signed_up", "e-1")
    assert message.content_type == CONTENT_TYPE
    assert Envelope.from_bytes(message.body) == envelope


def test_an_event_beyond_the_bound_makes_no_message() -> None:
    with pytest.raises(InvalidEvent, match="must be at most 65536 bytes"):
        event_message(Envelope(id="1", source="/s", type="t", data={"a": "x" * MAX_BYTES}))
