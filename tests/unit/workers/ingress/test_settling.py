"""A batch between RabbitMQ and SQS: what is confirmed is deleted, and nothing else; what fails harms itself only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import pytest
from millrace.aws_derived import INGRESS_BEGIN_SECONDS, INGRESS_VISIBILITY_SECONDS, SQS_CALL_SECONDS
from millrace.derived import SEND_SECONDS, sending_bound
from millrace.errors import PublishError, Refused
from millrace.publishing.message import Message

from workers.ingress.checking import Prepared
from workers.ingress.queues import LONGEST_RETURN_SECONDS, SqsMessage, SqsQueue, return_seconds
from workers.ingress.sending import BulkSender
from workers.ingress.settling import Intake, receive_and_settle


class Sqs:
    """Stands for the client of SQS: notes what is deleted and given back."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.waiting: list[SqsMessage] = []

    def get_queue_url(self, **_: str) -> dict[str, str]:
        """As SQS."""
        return {"QueueUrl": "url"}

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        """As SQS."""
        assert asked["VisibilityTimeout"] == INGRESS_VISIBILITY_SECONDS
        count = asked["MaxNumberOfMessages"]
        given, self.waiting = self.waiting[:count], self.waiting[count:]
        return {"Messages": given} if given else {}

    def delete_message_batch(self, *, Entries: list[dict[str, Any]], **_: str) -> dict[str, Any]:
        """As SQS."""
        self.calls.append(("delete", [each["ReceiptHandle"] for each in Entries]))
        return {}

    def change_message_visibility_batch(self, *, Entries: list[dict[str, Any]], **_: str) -> dict[str, Any]:
        """As SQS."""
        self.calls.append(("back", [f"{each['ReceiptHandle']} {each['VisibilityTimeout']}" for each in Entries]))
        return {}


class Sender:
    """Stands for the sender: confirms all but what is listed."""

    def __init__(self, refused: Sequence[str] = ()) -> None:
        self.refused = refused
        self.begin_by = 0.0
        self.sent: list[str] = []

    def send(self, messages: Sequence[Message], begin_by: float) -> list[PublishError | None]:
        """As the bulk sender."""
        self.begin_by = begin_by
        self.sent += [message.message_id for message in messages]
        return [Refused("no") if message.message_id in self.refused else None for message in messages]


def message(id_: str, receives: int = 1) -> SqsMessage:
    """A message whose receipt handle is its id."""
    return {"MessageId": id_, "ReceiptHandle": id_, "Attributes": {"ApproximateReceiveCount": str(receives)}}


def prepare(one: SqsMessage) -> Prepared:
    """The message, unless it is the one that meets a bug."""
    if one["MessageId"] == "bug":
        raise RuntimeError("a bug")
    return Prepared(Message(exchange="in", routing_key="t", body=b"", message_id=one["MessageId"]))


def intake(sqs: Sqs, sender: Sender) -> Intake:
    """One queue's."""
    return Intake(SqsQueue(sqs, sqs, "q"), prepare, cast(BulkSender, sender))


def test_what_is_confirmed_is_deleted_and_the_rest_goes_back() -> None:
    sqs = Sqs()
    done = intake(sqs, Sender(refused=["b"])).settle([message("a"), message("b"), message("c")], 0.0)
    assert sqs.calls == [("delete", ["a", "c"]), ("back", ["b 0"])]
    assert done == 2


def test_what_has_come_often_goes_back_for_a_while() -> None:
    sqs = Sqs()
    intake(sqs, Sender(refused=["a"])).settle([message("a", receives=6)], 0.0)
    assert sqs.calls == [("back", ["a 8"])]


def test_a_message_that_meets_a_bug_harms_itself_only() -> None:
    sqs = Sqs()
    assert intake(sqs, Sender()).settle([message("a"), message("bug"), message("c")], 0.0) == 2
    assert sqs.calls == [("delete", ["a", "c"]), ("back", ["bug 0"])]


def test_nothing_confirmed_is_nothing_deleted() -> None:
    sqs = Sqs()
    assert intake(sqs, Sender(refused=["a"])).settle([message("a")], 0.0) == 0
    assert sqs.calls == [("back", ["a 0"])]


def test_sending_is_begun_only_while_it_can_end_before_others_are_given_the_message() -> None:
    sqs, sender = Sqs(), Sender()
    sqs.waiting = [message("a")]
    before = time.monotonic()
    assert receive_and_settle(intake(sqs, sender), 0, lambda: False) == (1, 1)
    assert sender.begin_by <= time.monotonic() + INGRESS_BEGIN_SECONDS
    assert sender.begin_by >= before + INGRESS_BEGIN_SECONDS
    assert INGRESS_BEGIN_SECONDS > 0
    assert INGRESS_BEGIN_SECONDS + sending_bound(SEND_SECONDS) + SQS_CALL_SECONDS <= INGRESS_VISIBILITY_SECONDS


def test_what_comes_to_a_stopping_ingress_goes_back_at_once_and_is_not_sent() -> None:
    sqs, sender = Sqs(), Sender()
    sqs.waiting = [message("a", receives=9)]
    receive_and_settle(intake(sqs, sender), 0, lambda: True)
    assert sqs.calls == [("back", ["a 0"])]
    assert sender.sent == []


@pytest.mark.parametrize(("receives", "seconds"), [(1, 0), (3, 0), (4, 2), (6, 8), (30, LONGEST_RETURN_SECONDS)])
def test_what_fails_again_and_again_comes_back_later_and_later(receives: int, seconds: int) -> None:
    assert return_seconds(message("a", receives)) == seconds
