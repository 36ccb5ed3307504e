"""What goes out: where to, in which batches, and how AWS's answers are taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from millrace import names
from millrace.declarations import Catalog, Event, LambdaGroup, PlainFunction, Topic
from millrace.envelope import Envelope, seal
from millrace.errors import InvalidEvent
from millrace.events import UserSignedUp

from operations.local.lambda_events import sns_event
from tests.strategies import Free
from tests.unit.workers.ingress.sqs import Inner
from workers.outward import Addresses, Answer, AwsSender, Outward, Target
from workers.received import GENERATION_HEADER, Delivery

CATALOG = Catalog(
    events=[Event(Free, forwarded=Topic("Out")), Event(Inner)],
    groups=[],
    functions=[LambdaGroup("audit", handles=[Free])],
)
TOPIC = Target(service="sns", name="arn:aws:sns:eu-west-1:1:Out")
QUEUE = Target(service="sqs", name="p-fn-audit")


NOTHING: Mapping[str, Any] = {}


def outward(
    queue: str, exchange: str, type_: str = "any.thing", headers: Mapping[str, Any] = NOTHING
) -> Outward | None:
    """What a message of a queue becomes."""
    body = Envelope(id="e", source="/s", type=type_, data={}).to_bytes()
    addresses = Addresses(CATALOG, "p", "eu-west-1", "1", frozenset())
    return addresses.outward(7, queue, Delivery(body, None, headers, {}, exchange))


def test_a_forwarded_type_goes_to_its_topic() -> None:
    found = outward("outward", names.IN, headers={GENERATION_HEADER: 3})
    assert found is not None
    assert (found.tag, found.target, found.event_id) == (7, TOPIC, "e")
    assert found.attributes == {"type": "any.thing", "id": "e"}


def test_what_a_group_handles_goes_to_its_queue() -> None:
    found = outward("audit", names.IN)
    assert found is not None
    assert (found.target, found.attributes) == (QUEUE, {"type": "any.thing", "id": "e"})


def test_characters_that_sqs_does_not_take_go_out_as_json_writes_them() -> None:
    """An event may have them, and workers handle it: it is the same event for a function."""
    event = Envelope(id="e\uffff", source="/s", type="any.thing", data={"text": "\ufffe\uffff\u0001é"})
    addresses = Addresses(CATALOG, "p", "eu-west-1", "1", frozenset())
    found = addresses.outward(7, "audit", Delivery(event.to_bytes(), None, {}, {}, names.IN))
    assert found is not None
    assert not set("\ufffe\uffff\u0001") & set(found.text)
    assert Envelope.from_bytes(found.text.encode()) == event
    assert found.attributes["id"] == "e\\uffff"


def test_what_came_in_by_the_door_does_not_go_out_to_functions_again() -> None:
    through_the_door = {names.DOOR_HEADER: "in"}
    assert outward("audit", names.IN, headers=through_the_door) is None
    assert outward("audit", names.EVENTS, headers=through_the_door) is None
    assert outward("audit", names.GROUPS, headers=through_the_door) is not None
    assert outward("outward", names.IN, headers=through_the_door) is not None


def test_a_replay_goes_to_its_function_with_its_generation() -> None:
    found = outward("audit", names.GROUPS, headers={GENERATION_HEADER: 3})
    assert found is not None
    assert (found.target, found.attributes["generation"]) == (QUEUE, "3")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/sns/MyTopic", {"eventType": "user.signed_up", "userId": "12345"}),
        ("/web", None),
    ],
)
def test_a_replay_reaches_a_plain_function_as_sns_would_call_it(source: str, message: dict[str, Any] | None) -> None:
    """In the shape that its producer used: with the names of the plain shape, or as the envelope that it was."""
    catalog = Catalog(
        events=[Event(UserSignedUp, public=Topic("MyTopic"))],
        groups=[],
        functions=[PlainFunction("guide", handles=UserSignedUp, handler="guide.handler")],
    )
    addresses = Addresses(catalog, "p", "eu-west-1", "1", frozenset())
    body = seal(UserSignedUp(user_id="12345"), source=source, id="m1").to_bytes()
    found = addresses.outward(7, "guide", Delivery(body, None, {GENERATION_HEADER: 1}, {}, names.GROUPS))
    assert found is not None
    (record,) = sns_event(found.text, "s")["Records"]
    assert json.loads(record["Sns"]["Message"]) == (message or json.loads(body))
    assert (record["Sns"]["MessageId"], record["Sns"]["TopicArn"]) == ("m1", "arn:aws:sns:eu-west-1:1:MyTopic")


@pytest.mark.parametrize("type_", ["inner.thing", "some.thing"])
def test_what_goes_nowhere_is_refused(type_: str) -> None:
    with pytest.raises(InvalidEvent):
        outward("outward", names.IN, type_)


def test_every_queue_is_read_that_something_goes_out_of() -> None:
    assert Addresses(CATALOG, "p", "eu-west-1", "1", frozenset()).queues == ("outward", "audit")


def entry(tag: int, target: Target = TOPIC, size: int = 1) -> Outward:
    """One that is ready."""
    return Outward(tag=tag, target=target, text="x" * size, attributes={"id": str(tag)}, event_id=str(tag))


class Aws:
    """Stands for both clients: refuses single entries, or a whole batch, by what is in their text."""

    def __init__(self, failed: list[dict[str, Any]] | None = None, whole: str = "") -> None:
        self.failed = failed or []
        self.whole = whole
        self.batches: list[int] = []

    def get_queue_url(self, **_: str) -> dict[str, str]:
        """As SQS."""
        return {"QueueUrl": "url"}

    def publish_batch(self, *, PublishBatchRequestEntries: list[dict[str, Any]], **_: str) -> Any:
        """As SNS."""
        return self._answer([each["Message"] for each in PublishBatchRequestEntries])

    def send_message_batch(self, *, Entries: list[dict[str, Any]], **_: str) -> Any:
        """As SQS."""
        return self._answer([each["MessageBody"] for each in Entries])

    def _answer(self, texts: list[str]) -> dict[str, Any]:
        self.batches.append(len(texts))
        if self.whole and "xx" in texts:
            raise ClientError({"Error": {"Code": self.whole, "Message": "no"}}, "PublishBatch")
        return {"Failed": self.failed}


@pytest.mark.parametrize("target", [TOPIC, QUEUE])
def test_each_entry_has_its_answer(target: Target) -> None:
    failed = [{"Id": "1", "Code": "InternalError"}, {"Id": "2", "Code": "InvalidParameter"}]
    answers = AwsSender(*[Aws(failed)] * 2).send([entry(number, target) for number in range(4)])
    assert [(answer.problem is None, answer.never) for answer in answers] == [
        (True, False),
        (False, False),
        (False, True),
        (True, False),
    ]


def test_one_for_which_the_whole_batch_is_refused_is_found() -> None:
    aws = Aws(whole="InvalidParameter")
    answers = AwsSender(aws, aws).send([entry(1), entry(2, size=2), entry(3)])
    assert [answer.never for answer in answers] == [False, True, False]
    assert aws.batches == [3, 1, 1, 1]


def test_a_topic_that_is_not_there_is_no_fault_of_the_message() -> None:
    aws = Aws(whole="NotFound")
    answers = AwsSender(aws, aws).send([entry(1), entry(2, size=2)])
    assert [(bool(answer.problem), answer.never) for answer in answers] == [(True, False)] * 2
    assert Answer() not in answers
