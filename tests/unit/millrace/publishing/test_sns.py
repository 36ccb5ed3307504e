"""The publisher through SNS: what it sends, and what it says when nothing, or not all, was sent."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from botocore.exceptions import EndpointConnectionError
from millrace.declarations import Catalog, Event, Payload, Topic
from millrace.envelope import MAX_BYTES, Envelope
from millrace.errors import InvalidEvent, NotAllPublished, PublishError
from millrace.publishing import SnsPublisher


class Bought(Payload):
    """Public."""

    event_type: ClassVar[str] = "thing.bought"
    what: str = ""


class Sold(Payload):
    """Public, too."""

    event_type: ClassVar[str] = "thing.sold"


class Inner(Payload):
    """Not public."""

    event_type: ClassVar[str] = "thing.inner"


CATALOG = Catalog(
    events=[Event(Bought, aliases=["BOUGHT"], public=Topic("Bought")), Event(Sold, public=Topic()), Event(Inner)],
    groups=[],
)
BOUGHT = "arn:aws:sns:us-east-1:123456789012:Bought"


class Sns:
    """Stands for the client of SNS: keeps what it was given, and fails as the test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[dict[str, Any]]]] = []
        self.failed: list[dict[str, Any]] = []
        self.out: Exception | None = None

    def publish(self, *, TopicArn: str, **said: Any) -> None:
        """As SNS."""
        self._take(TopicArn, [said])

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> Any:
        """As SNS."""
        self._take(TopicArn, PublishBatchRequestEntries)
        return {"Failed": self.failed}

    def _take(self, topic: str, entries: list[dict[str, Any]]) -> None:
        if self.out is not None:
            raise self.out
        self.calls.append((topic, entries))

    def close(self) -> None:
        """As botocore's."""


@pytest.fixture
def sns() -> Sns:
    """What the publisher sends to."""
    return Sns()


@pytest.fixture
def publisher(sns: Sns, monkeypatch: pytest.MonkeyPatch) -> SnsPublisher:
    """The publisher of a service."""
    monkeypatch.setattr("millrace.publishing.sns.boto3.client", lambda *_, **__: sns)
    return SnsPublisher("p", region="us-east-1", account="123456789012", source="/shop", catalog=CATALOG)


def test_an_event_goes_to_the_topic_of_its_type(sns: Sns, publisher: SnsPublisher) -> None:
    assert publisher.publish(Bought(what="hat"), id="b1") == "b1"
    [(topic, [said])] = sns.calls
    event = Envelope.from_bytes(said["Message"].encode())
    assert (topic, event.id, event.source, event.data["what"]) == (BOUGHT, "b1", "/shop", "hat")
    assert {name: value["StringValue"] for name, value in said["MessageAttributes"].items()} == {
        "type": "thing.bought",
        "id": "b1",
    }


def test_an_envelope_under_an_alias_goes_to_the_same_topic(sns: Sns, publisher: SnsPublisher) -> None:
    publisher.publish(Envelope(id="b2", source="/s", type="BOUGHT", data={"what": "hat"}))
    assert sns.calls[0][0] == BOUGHT


def test_many_go_in_batches_of_one_topic_and_a_bounded_size(sns: Sns, publisher: SnsPublisher) -> None:
    small: list[Payload] = [Bought(what=str(number)) for number in range(13)]
    large: list[Payload] = [Bought(what="x" * (MAX_BYTES - 1_000)) for _ in range(4)]
    ids = publisher.publish_many([*small, Sold(), *large])
    sent = [json.loads(entry["Message"])["id"] for _, entries in sns.calls for entry in entries]
    assert sorted(sent) == sorted(ids)
    assert len(ids) == 18
    for _topic, entries in sns.calls:
        assert len(entries) <= 10
        assert sum(len(entry["Message"]) for entry in entries) < 256 * 1024
    assert {topic for topic, _ in sns.calls} == {BOUGHT, "arn:aws:sns:us-east-1:123456789012:p-thing--sold"}


@pytest.mark.parametrize(
    "wrong",
    [
        Inner(),
        Envelope(id="i", source="/s", type="thing.bought", data={"what": 1}),
        Envelope(id="i", source="/s", type="thing.unknown"),
        Bought(what="x" * MAX_BYTES),
    ],
)
def test_what_is_invalid_or_not_public_stops_all_before_anything_is_sent(
    sns: Sns, publisher: SnsPublisher, wrong: Payload | Envelope
) -> None:
    with pytest.raises(InvalidEvent):
        publisher.publish(wrong)
    with pytest.raises(InvalidEvent):
        publisher.publish_many([Bought(), wrong])
    assert sns.calls == []


def test_what_sns_does_not_take_is_told(sns: Sns, publisher: SnsPublisher) -> None:
    sns.failed = [{"Id": "1", "Code": "InternalError", "Message": "oh"}]
    with pytest.raises(NotAllPublished) as partly:
        publisher.publish_many(
            [Envelope(id=id_, source="/s", type="thing.bought", data={"what": id_}) for id_ in ("a", "b", "c")]
        )
    assert list(partly.value.failed) == ["b"]
    sns.out = EndpointConnectionError(endpoint_url="http://away")
    with pytest.raises(PublishError, match="away"):
        publisher.publish(Bought())
    with pytest.raises(NotAllPublished):
        publisher.publish_many([Bought()])
