"""A publisher without one of its guards, for as long as a block runs."""

from amqp.serialization import loads
from millrace.publishing.connection import ConfirmedConnection
from millrace.publishing.message import Message
from millrace.publishing.wire import publish_frames, whole_frame

from operations.faults.careless import CONFIRMS, MANDATORY, publishing_without

MESSAGE = Message(exchange="in", routing_key="a.b", body=b"{}", message_id="1")


def said() -> list[object]:
    """What a publish says: exchange, key, mandatory."""
    method = whole_frame(b"".join(publish_frames(MESSAGE, 1, 4096)), 0)
    assert method is not None
    exchange, key, mandatory = loads("Bssbb", method[2], 4)[0][1:4]
    return [exchange, key, mandatory]


def test_without_mandatory_all_else_is_said_as_usual() -> None:
    assert said() == ["in", "a.b", True]
    with publishing_without(MANDATORY):
        assert said() == ["in", "a.b", False]
    assert said() == ["in", "a.b", True]


def test_without_confirms_another_sends() -> None:
    guarded = ConfirmedConnection.send
    with publishing_without(CONFIRMS):
        assert ConfirmedConnection.send is not guarded
    assert ConfirmedConnection.send is guarded
    with publishing_without(None):
        assert ConfirmedConnection.send is guarded
