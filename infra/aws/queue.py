"""SQS queues: the dead-letter queue of a subscriber, and the queue of one that takes its events from SQS."""

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
from millrace import aws_names
from millrace.aws_derived import LONG_POLL_SECONDS, SQS_RETENTION_SECONDS

from infra.aws.account import Account
from infra.aws.alarms import dead_alarm, late_alarm
from infra.aws.statements import QUEUE_USE, SEND, Statement, allow_service, document, tls_only
from infra.aws.topic import EventTopic


def dead_letter_queue(
    queue: str, topics: Sequence[EventTopic], account: Account, parent: pulumi.Resource
) -> aws.sqs.Queue:
    """The queue of what could not be delivered to `queue`, or taken from it; with its alarm."""
    name = aws_names.dead_queue(queue)
    dead_alarm(name, account, parent)
    return _queue(name, topics, account, pulumi.ResourceOptions(parent=parent, depends_on=account.ready))


def redrive(queue: str, account: Account, **more: int) -> str:
    """The redrive policy to the dead-letter queue of `queue`."""
    return json.dumps({"deadLetterTargetArn": account.queue_arn(aws_names.dead_queue(queue)), **more}, sort_keys=True)


class SubscribedQueue(pulumi.ComponentResource):
    """A queue that gets what its topics get; what SNS cannot deliver to it, or its reader gives back, goes to the dead.

    No policy lets anybody else than these topics write to it.
    """

    def __init__(
        self, name: str, topics: Sequence[EventTopic], account: Account, *, visibility: int, max_receives: int
    ) -> None:
        super().__init__("millrace:infra:SubscribedQueue", name, None, pulumi.ResourceOptions(parent=account))
        self.name = name
        self.dead = dead_letter_queue(name, topics, account, self)
        late_alarm(name, account, self)
        self.queue = _queue(
            name,
            topics,
            account,
            pulumi.ResourceOptions(parent=self, depends_on=[*account.ready, self.dead]),
            visibility=visibility,
            redrive_policy=redrive(name, account, maxReceiveCount=max_receives),
        )
        for topic in topics:
            aws.sns.TopicSubscription(
                f"{topic.name} -> {name}",
                topic=topic.arn,
                protocol="sqs",
                endpoint=account.queue_arn(name),
                redrive_policy=redrive(name, account),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[topic.topic, self.queue, self.dead]),
            )
        self.register_outputs({"name": name})


def _queue(
    name: str,
    topics: Sequence[EventTopic],
    account: Account,
    opts: pulumi.ResourceOptions,
    *,
    visibility: int | None = None,
    redrive_policy: str | None = None,
) -> aws.sqs.Queue:
    alias = account.key_alias
    return aws.sqs.Queue(
        name,
        name=name,
        message_retention_seconds=SQS_RETENTION_SECONDS,
        receive_wait_time_seconds=LONG_POLL_SECONDS,
        # One of the two: SQS refuses both.
        sqs_managed_sse_enabled=None if alias else True,
        kms_master_key_id=alias,
        policy=document(_statements(account.queue_arn(name), topics)),
        visibility_timeout_seconds=visibility,
        redrive_policy=redrive_policy,
        opts=_kept(opts),
    )


def _kept(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    """As at the broker: a queue that left the program stays, and is never deleted to be made anew."""
    return pulumi.ResourceOptions.merge(
        opts, pulumi.ResourceOptions(retain_on_delete=True, delete_before_replace=False)
    )


def _statements(arn: str, topics: Sequence[EventTopic]) -> list[Statement]:
    sources = {"ArnEquals": {"aws:SourceArn": [topic.arn for topic in topics]}}
    return [allow_service("Topics", "sns.amazonaws.com", SEND, arn, sources), tls_only(QUEUE_USE, arn)]
