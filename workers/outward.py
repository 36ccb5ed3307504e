"""What goes out to AWS: a message of the queue `outward` as an entry for SNS or SQS, and how AWS answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from millrace import aws_names, names
from millrace.aws_messages import sendable, text_attributes
from millrace.declarations import Catalog
from millrace.envelope import Envelope
from millrace.errors import InvalidEvent
from millrace.functions import PlainFunction

from workers.received import Delivery, Received, receive

#: What AWS answers to a message that it will never take, whoever sends it and whenever.
NEVER = frozenset(
    {
        *("InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "InvalidMessageContents"),
        *("InvalidParameterValueException", "InvalidParameterException", "MessageTooLong"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an entry goes: the topic of an event type, or the queue of a function."""

    service: str
    #: the topic's ARN, or the queue's name
    name: str


@dataclass(frozen=True, kw_only=True)
class Outward:
    """One message, its bytes as AWS gets them, and by what tag it is acked."""

    tag: int
    target: Target
    text: str
    attributes: Mapping[str, str]
    event_id: str


class Addresses:
    """Where each message goes, by the queue that it waited in."""

    def __init__(self, catalog: Catalog, prefix: str, region: str, account: str, trusted: frozenset[str]) -> None:
        self._catalog = catalog
        self._trusted = trusted
        topics = {event.type: aws_names.topic(prefix, event) for event in catalog.events if event.forwarded}
        self._topics = {
            type_: Target(service="sns", name=aws_names.arn("sns", region, account, topic))
            for type_, topic in topics.items()
        }
        self._functions = {
            names.group_queue(function.name): Target(
                service="sqs", name=aws_names.function_queue(prefix, function.name)
            )
            for function in catalog.functions
        }
        #: The topics of functions that SNS calls: they know nothing but what SNS sends.
        self._called_by_sns = {
            names.group_queue(one.name): aws_names.arn(
                "sns", region, account, aws_names.topic(prefix, catalog.event(one.handles.event_type))
            )
            for one in catalog.functions
            if isinstance(one, PlainFunction)
        }

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues of the broker from which something goes out."""
        return names.OUTWARD, *self._functions

    def outward(self, tag: int, queue: str, delivery: Delivery) -> Outward | None:
        """The entry for a message; raises InvalidEvent if it is no event, or one that does not go out.

        None for what came in by the AWS door: the function has it from the topic. A replay is for the function alone.
        """
        if names.DOOR_HEADER in delivery.headers and queue in self._functions and delivery.exchange != names.GROUPS:
            return None
        received = receive(delivery, self._catalog, self._trusted)
        envelope = received.envelope
        target = self._functions.get(queue) or self._topics.get(envelope.type)
        if target is None:
            raise InvalidEvent("type", f"must be a forwarded event type, got {envelope.type!r}")
        attributes = _attributes(envelope, received, target)
        topic = self._called_by_sns.get(queue)
        text = sendable(envelope.to_bytes().decode() if topic is None else _as_sns_sends_it(received, topic))
        return Outward(tag=tag, target=target, text=text, attributes=attributes, event_id=envelope.id)


def _as_sns_sends_it(received: Received, topic: str) -> str:
    """SNS's envelope, the event in it in the shape that its producer used: the plain one bears the door's source."""
    envelope, message = received.envelope, received.envelope.to_bytes().decode()
    if envelope.source == f"/sns/{topic.rpartition(':')[2]}":
        fields = received.payload.model_dump(mode="json", by_alias=True, exclude_none=True)
        message = json.dumps({"eventType": envelope.type, **fields})
    given = {"traceparent": envelope.traceparent} if envelope.traceparent else {}
    attributes = {name: {"Type": "String", "Value": value} for name, value in given.items()}
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": envelope.id,
            "TopicArn": topic,
            "Message": message,
            "MessageAttributes": attributes,
        }
    )


def _attributes(envelope: Envelope, received: Received, target: Target) -> dict[str, str]:
    found = {"type": envelope.type, "id": sendable(envelope.id)}
    if envelope.traceparent is not None:
        found["traceparent"] = envelope.traceparent
    if target.service == "sqs" and received.generation:
        found["generation"] = str(received.generation)
    return found


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What AWS did with one entry: nothing is wrong, try again, or it will never take it."""

    problem: str | None = None
    never: bool = False


class AwsSender:
    """Sends batches to SNS and SQS; safe in threads."""

    def __init__(self, sns: Any, sqs: Any) -> None:
        self._sns = sns
        self._sqs = sqs
        self._urls: dict[str, str] = {}

    def send(self, batch: Sequence[Outward]) -> list[Answer]:
        """Send a batch to its target; an answer for each entry. Raises what botocore raises on an outage."""
        target = batch[0].target
        entries = [_entry(number, one) for number, one in enumerate(batch)]
        try:
            found = self._publish(target, entries) if target.service == "sns" else self._enqueue(target, entries)
        except ClientError as error:
            if len(batch) > 1 and _never(error):  # one of them is what it means: each by itself
                return [self.send([one])[0] for one in batch]
            return [Answer(problem=str(error), never=_never(error))] * len(batch)
        failed = {int(each["Id"]): each for each in found.get("Failed", ())}
        return [_answer(failed.get(number)) for number in range(len(batch))]

    def _publish(self, target: Target, entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        named = [{"Message" if name == "MessageBody" else name: value for name, value in e.items()} for e in entries]
        answer: Mapping[str, Any] = self._sns.publish_batch(TopicArn=target.name, PublishBatchRequestEntries=named)
        return answer

    def _enqueue(self, target: Target, entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        url = self._urls.get(target.name)
        if url is None:
            url = self._urls[target.name] = str(self._sqs.get_queue_url(QueueName=target.name)["QueueUrl"])
        answer: Mapping[str, Any] = self._sqs.send_message_batch(QueueUrl=url, Entries=list(entries))
        return answer


def _entry(number: int, one: Outward) -> dict[str, Any]:
    return {"Id": str(number), "MessageBody": one.text, "MessageAttributes": text_attributes(one.attributes)}


def _never(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in NEVER


def _answer(failed: Mapping[str, Any] | None) -> Answer:
    if failed is None:
        return Answer()
    return Answer(problem=json.dumps(failed)[:500], never=failed.get("Code") in NEVER)
