"""In which order claimed rows are sent, and what stops a key or all."""

from types import SimpleNamespace
from typing import Any

import pytest
from millrace.errors import BrokerUnreachable, ChannelClosed, ConfirmTimeout, PublishError, Refused, Unroutable
from millrace.publishing.message import Message

from workers.relay_records import Settled
from workers.relay_sending import send_rows, waves


def rows(*names: str) -> list[Any]:
    """Rows named like `k1`: the letter is the partition key, `-` stands for none."""
    common = {
        "exchange": "in",
        "routing_key": "order.placed",
        "content_type": "a/b",
        "headers": {"h": 1},
        "attempts": 0,
    }
    return [
        SimpleNamespace(
            id=number,
            event_id=name,
            partition_key=None if name[0] == "-" else name[0],
            body=name.encode(),
            **common,
        )
        for number, name in enumerate(names)
    ]


class Broker:
    """Answers for each message as told, and keeps what was sent."""

    def __init__(self, answers: dict[str, PublishError] | None = None) -> None:
        self.answers = answers or {}
        self.sent: list[list[Message]] = []

    def send(self, messages: list[Message]) -> list[PublishError | None]:
        """Note and answer."""
        self.sent.append(messages)
        return [self.answers.get(message.message_id) for message in messages]

    @property
    def waves(self) -> list[list[str]]:
        """The ids, one list for each call."""
        return [[message.message_id for message in messages] for messages in self.sent]


def sent(broker: Broker, *names: str, give_up: Any = lambda: False) -> Settled:
    """Send rows to the broker."""
    return send_rows(broker, "claim", rows(*names), lambda _what: None, give_up)  # type: ignore[arg-type]


def test_each_row_of_a_key_waits_for_the_confirm_of_the_one_before() -> None:
    broker = Broker()
    done = sent(broker, "a1", "-1", "a2", "b1", "-2", "a3", "b2")
    assert broker.waves == [["a1", "-1", "b1", "-2"], ["a2", "b2"], ["a3"]]
    assert sorted(done.published) == list(range(7))


def test_a_row_is_sent_as_it_was_recorded() -> None:
    broker = Broker()
    sent(broker, "a1")
    message = broker.sent[0][0]
    assert message == Message(
        exchange="in",
        routing_key="order.placed",
        body=b"a1",
        message_id="a1",
        content_type="a/b",
        headers={"h": 1},
    )


@pytest.mark.parametrize("error", [Refused("full"), Unroutable("no queue"), ChannelClosed("no exchange")])
def test_a_refused_row_stops_its_key_and_no_other(error: PublishError) -> None:
    broker = Broker({"a1": error, "-1": error})
    done = sent(broker, "a1", "-1", "a2", "b1", "b2", "a3", "-2")
    assert broker.waves == [["a1", "-1", "b1", "-2"], ["b2"]]
    assert (sorted(done.published), done.refused, done.outages) == ([3, 4, 6], {0: str(error), 1: str(error)}, {})


@pytest.mark.parametrize("error", [BrokerUnreachable("gone"), ConfirmTimeout("silent")])
def test_an_outage_stops_all_and_is_no_fault_of_a_row(error: PublishError) -> None:
    broker = Broker({"b1": error})
    done = sent(broker, "a1", "b1", "a2", "b2")
    assert broker.waves == [["a1", "b1"]]
    assert (done.published, done.refused, done.outages) == ([0], {}, {str(error): [1]})


def test_nothing_more_is_sent_once_it_is_told_to_give_up() -> None:
    """As at the end of the time in which the claim is surely its own."""
    broker = Broker()
    done = sent(broker, "a1", "a2", "a3", give_up=lambda: len(broker.sent) == 2)
    assert broker.waves == [["a1"], ["a2"]]
    assert done.published == [0, 1]
    assert sent(broker, "b1", give_up=lambda: True).published == []


def test_waves_of_nothing() -> None:
    assert list(waves([])) == []
