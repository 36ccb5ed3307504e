"""The sender that all readers share: everyone is answered, the gate shuts and opens, what is late is not begun."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from millrace import names
from millrace.errors import BrokerUnreachable, ConfirmTimeout, PublishError, Refused, Unroutable
from millrace.publishing.message import Message

from workers.ingress import sending
from workers.ingress.sending import BulkSender, TooLate

Answer = Callable[[Message], PublishError | None]


class Broker:
    """Stands for the sender beneath: answers as the test says, and notes how much it was given at a time."""

    def __init__(self, *_: object, **__: object) -> None:
        self.answer: Answer = lambda _message: None
        self.probe: PublishError | None = Unroutable("nobody takes it")
        self.bulks: list[int] = []
        self.going = threading.Event()
        self.going.set()

    def send(self, messages: Sequence[Message]) -> list[PublishError | None]:
        """As Sender.send."""
        if not messages:
            return []
        if messages[0].routing_key == names.PROBE:
            return [self.probe]
        self.going.wait(10)
        self.bulks.append(len(messages))
        return [self.answer(message) for message in messages]

    def close(self) -> None:
        """As Sender.close."""


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """What the bulk sender sends through."""
    made = Broker()
    monkeypatch.setattr(sending, "Sender", lambda *_, **__: made)
    monkeypatch.setattr(sending, "FIRST_PAUSE_SECONDS", 0.01)
    return made


@pytest.fixture
def bulk(broker: Broker) -> Iterator[BulkSender]:
    """A bulk sender at work."""
    made = BulkSender("amqp://u:p@h/v")
    made.start()
    yield made
    broker.going.set()
    made.close()


def messages(*ids: str, size: int = 1) -> list[Message]:
    """Some messages."""
    return [Message(exchange="in", routing_key="t", body=b"x" * size, message_id=id_) for id_ in ids]


def soon() -> float:
    """A time that is not over."""
    return time.monotonic() + 60


def test_everyone_gets_the_answers_to_their_own(broker: Broker, bulk: BulkSender) -> None:
    broker.answer = lambda message: Refused(message.message_id) if message.message_id.endswith("3") else None
    assert bulk.wait_open(10)
    broker.going.clear()
    with ThreadPoolExecutor(20) as many:
        sends = [many.submit(bulk.send, messages(*(f"{n}-{m}" for m in range(5))), soon()) for n in range(20)]
        broker.going.set()
        for number, sent in enumerate(sends):
            refused = f"{number}-3"
            assert [str(result) if result else None for result in sent.result()] == [None] * 3 + [refused] + [None]
    assert len(broker.bulks) < 20


def test_a_bulk_is_bounded_and_nobody_is_forgotten(broker: Broker, bulk: BulkSender) -> None:
    assert bulk.wait_open(10)
    broker.going.clear()
    large = sending.MOST_BYTES // 3
    with ThreadPoolExecutor(10) as many:
        sends = [many.submit(bulk.send, messages("a", size=large), soon()) for _ in range(10)]
        broker.going.set()
        assert [sent.result() for sent in sends] == [[None]] * 10
    assert max(broker.bulks) <= 3


def test_what_is_late_is_not_begun(broker: Broker, bulk: BulkSender) -> None:
    assert bulk.wait_open(10)
    [result] = bulk.send(messages("late"), time.monotonic())
    assert isinstance(result, TooLate)
    assert broker.bulks == []


@pytest.mark.parametrize("outage", [BrokerUnreachable("gone"), ConfirmTimeout("alarm")])
def test_the_gate_shuts_on_an_outage_and_opens_when_a_probe_comes_back(
    broker: Broker, bulk: BulkSender, outage: PublishError
) -> None:
    assert bulk.wait_open(10)
    broker.probe = outage
    broker.answer = lambda _message: outage
    assert bulk.send(messages("a"), soon()) == [outage]
    assert not bulk.wait_open(0)
    [told] = bulk.send(messages("b"), soon())
    assert isinstance(told, BrokerUnreachable)
    assert len(broker.bulks) == 1
    broker.probe, broker.answer = Unroutable("back"), lambda _message: None
    assert bulk.wait_open(10)
    assert bulk.send(messages("c"), soon()) == [None]


def test_a_refusal_shuts_nothing(broker: Broker, bulk: BulkSender) -> None:
    assert bulk.wait_open(10)
    broker.answer = lambda _message: Refused("full")
    bulk.send(messages("a"), soon())
    assert bulk.wait_open(0)


def test_a_bug_beneath_leaves_nobody_waiting(broker: Broker, bulk: BulkSender, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_messages: Any) -> None:
        raise RuntimeError("a bug")

    assert bulk.wait_open(10)
    monkeypatch.setattr(broker, "send", fails)
    with pytest.raises(RuntimeError, match="a bug"):
        bulk.send(messages("a"), soon())
