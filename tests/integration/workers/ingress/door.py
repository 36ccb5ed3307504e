"""What lies at AWS for a catalog, made as the infrastructure makes it; and what a test does with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from millrace import aws_names
from millrace.aws_derived import INGRESS_MAX_RECEIVES, INGRESS_VISIBILITY_SECONDS
from millrace.aws_messages import text_attributes
from millrace.declarations import Catalog, Event

from tests.localstack_server import Aws, held


@dataclass
class AwsDoor:
    """The topics and queues of one stack, in an account of its own."""

    aws: Aws
    prefix: str
    catalog: Catalog
    max_receives: int = INGRESS_MAX_RECEIVES
    urls: dict[str, str] = field(default_factory=dict)

    def up(self) -> None:
        """Make topics, queues and their dead-letter queues, and subscribe the queues of public types."""
        with closing(self.aws.client("sqs")) as sqs, closing(self.aws.client("sns")) as sns:
            for event in self.catalog.events:
                if event.public or event.forwarded:
                    sns.create_topic(Name=aws_names.topic(self.prefix, event))
                if event.public:
                    queue = aws_names.ingress_queue(self.prefix, event.type)
                    self._queue(sqs, queue)
                    sns.subscribe(TopicArn=self.topic(event), Protocol="sqs", Endpoint=self._arn("sqs", queue))
            for function in self.catalog.functions:
                self._queue(sqs, aws_names.function_queue(self.prefix, function.name))

    def topic(self, event: Event) -> str:
        """The ARN of a type's topic."""
        return self._arn("sns", aws_names.topic(self.prefix, event))

    def settings(self, endpoint: str | None = None) -> dict[str, str]:
        """What a process of the stack is told of AWS."""
        return {
            "MILLRACE_AWS_REGION": self.aws.region,
            "MILLRACE_AWS_ACCOUNT": self.aws.account,
            "MILLRACE_AWS_ENDPOINT": endpoint or self.aws.endpoint,
            "AWS_ACCESS_KEY_ID": self.aws.account,
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def publish(self, type_: str, *bodies: str | dict[str, Any], **given: str) -> list[str]:
        """Publish to a type's topic and return the MessageIds of SNS."""
        attributes = text_attributes(given)
        ids = []
        with closing(self.aws.client("sns")) as sns:
            for start in range(0, len(bodies), 10):
                entries = [
                    {"Id": str(number), "Message": _text(body), "MessageAttributes": attributes}
                    for number, body in enumerate(bodies[start : start + 10])
                ]
                topic = self.topic(self.catalog.event(type_))
                answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
                ids += [each["MessageId"] for each in answer["Successful"]]
        return ids

    def send(self, queue: str, bodies: Sequence[str | dict[str, Any]], **given: str) -> list[str]:
        """Send straight to a queue and return the MessageIds of SQS."""
        attributes = text_attributes(given)
        with closing(self.aws.client("sqs")) as sqs:
            return [
                sqs.send_message(QueueUrl=self.urls[queue], MessageBody=_text(body), MessageAttributes=attributes)[
                    "MessageId"
                ]
                for body in bodies
            ]

    def held(self, queue: str) -> int:
        """How many messages a queue has, hidden ones among them."""
        with closing(self.aws.client("sqs")) as sqs:
            return held(sqs, self.urls[queue])

    def take(self, queue: str) -> list[dict[str, Any]]:
        """Receive a few messages and delete them."""
        with closing(self.aws.client("sqs")) as sqs:
            url = self.urls[queue]
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"]
            )
            messages = list(answer.get("Messages", ()))
            if messages:
                entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
                sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            return messages

    def listen(self, type_: str, queue: str) -> None:
        """A queue of somebody else's that subscribes to a topic."""
        with closing(self.aws.client("sqs")) as sqs, closing(self.aws.client("sns")) as sns:
            self.urls[queue] = sqs.create_queue(QueueName=queue)["QueueUrl"]
            topic = self.topic(self.catalog.event(type_))
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self._arn("sqs", queue))

    def queue(self, type_: str) -> str:
        """The queue of a public type."""
        return aws_names.ingress_queue(self.prefix, type_)

    def function_queue(self, name: str) -> str:
        """The queue of a function."""
        return aws_names.function_queue(self.prefix, name)

    def _queue(self, sqs: Any, name: str) -> None:
        dead = aws_names.dead_queue(name)
        self.urls[dead] = sqs.create_queue(QueueName=dead)["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn("sqs", dead), "maxReceiveCount": self.max_receives}
        attributes = {"VisibilityTimeout": str(INGRESS_VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(redrive)}
        self.urls[name] = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def _arn(self, service: str, name: str) -> str:
        return aws_names.arn(service, self.aws.region, self.aws.account, name)


def _text(body: str | dict[str, Any]) -> str:
    return body if isinstance(body, str) else json.dumps(body)
