"""One function as somebody wrote it, subscribed to a topic."""

import math

import pulumi
import pulumi_aws as aws
from millrace import aws_names
from millrace.aws_derived import RECEIVES_PER_ATTEMPT, plain_visibility
from millrace.functions import PlainFunction

from infra.aws.account import Account
from infra.aws.function import ARCHITECTURE, RUNTIME
from infra.aws.queue import SubscribedQueue, dead_letter_queue, redrive
from infra.aws.role import log_group, role
from infra.aws.statements import ENCRYPT, SEND, allow
from infra.aws.topic import EventTopic

SNS = "sns.amazonaws.com"


class DeployedFunction(pulumi.ComponentResource):
    """SNS calls it, once Lambda is there; else its events wait in a queue for what runs functions instead."""

    def __init__(self, function: PlainFunction, topic: EventTopic, account: Account) -> None:
        opts = pulumi.ResourceOptions(parent=account)
        super().__init__("millrace:infra:DeployedFunction", function.name, None, opts)
        queue = aws_names.function_queue(account.prefix, function.name)
        if account.settings.lambda_service:
            self._deploy(function, topic, queue, account)
        else:
            visibility = plain_visibility(function)
            SubscribedQueue(queue, [topic], account, visibility=visibility, max_receives=RECEIVES_PER_ATTEMPT)
        self.register_outputs({})

    def _deploy(self, function: PlainFunction, topic: EventTopic, queue: str, account: Account) -> None:
        name = aws_names.function(account.prefix, function.name)
        dead_arn = account.queue_arn(aws_names.dead_queue(queue))
        may = [allow("Dead", SEND, [dead_arn]), *account.key_use(ENCRYPT)]
        after = [
            dead_letter_queue(queue, [topic], account, self),
            log_group(function.name, account, self),
            *role(function.name, may, account, self),
        ]
        made = aws.lambda_.Function(
            name,
            name=name,
            role=account.role_arn(name),
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            handler=function.handler,
            code=pulumi.FileArchive(str(account.settings.package_of(database=False))),
            timeout=math.ceil(function.timeout.total_seconds()),
            memory_size=function.memory,
            reserved_concurrent_executions=function.concurrency,
            kms_key_arn=account.key_arn,
            # SNS has delivered once Lambda has taken the event: of a function that fails it hears nothing.
            dead_letter_config=aws.lambda_.FunctionDeadLetterConfigArgs(target_arn=dead_arn),
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        allowed = aws.lambda_.Permission(
            name,
            function=name,
            statement_id="topic",
            action="lambda:InvokeFunction",
            principal=SNS,
            source_arn=topic.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[made, topic.topic]),
        )
        aws.sns.TopicSubscription(
            f"{topic.name} -> {name}",
            topic=topic.arn,
            protocol="lambda",
            endpoint=account.function_arn(name),
            redrive_policy=redrive(queue, account),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[topic.topic, made, allowed, *after]),
        )
