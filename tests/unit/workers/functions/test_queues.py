"""What SQS is given."""

from __future__ import annotations

from unittest.mock import Mock

from workers.functions.queues import MAX_BODY, Queues
from workers.outgoing import Failure


def test_a_letter_that_is_too_large_is_cut_and_says_so() -> None:
    """Its attributes fit beside it."""
    client = Mock()
    failure = Failure(cause="invalid", error="x" * 5_000, stack="y" * 50_000)
    Queues(client, "dead").bury("é" * MAX_BODY, failure, letter="0" * 64)
    sent = client.send_message.call_args.kwargs
    attributes = {name: typed["StringValue"] for name, typed in sent["MessageAttributes"].items()}
    assert attributes["cut"] == f"{2 * MAX_BODY} bytes"
    size = len(sent["MessageBody"].encode()) + sum(len(name) + len(each) + 6 for name, each in attributes.items())
    assert size < 256 * 1024
    assert attributes["stack"] == "y" * 8_000


def test_an_empty_body() -> None:
    """SQS takes no message without one, nor an attribute without a value."""
    client = Mock()
    Queues(client, "dead").bury("", Failure(cause="invalid", error="empty"), letter="0")
    sent = client.send_message.call_args.kwargs
    assert sent["MessageBody"] == " "
    assert "stack" not in sent["MessageAttributes"]
