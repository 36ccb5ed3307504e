"""One Lambda group: its queue, its inbox and, where the Lambda service is there, its function."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws
from millrace import aws_names
from millrace.aws_derived import FunctionTiming, function_timing
from millrace.functions import LambdaGroup

from infra.aws import table
from infra.aws.account import Account
from infra.aws.queue import SubscribedQueue
from infra.aws.role import log_group, role
from infra.aws.statements import ENCRYPT, RECEIVE, SEND, Statement, allow
from infra.aws.topic import EventTopic
from infra.refusal import Refused

#: The package is built for just this.
RUNTIME = "python3.12"
ARCHITECTURE = "x86_64"
HANDLER = "workers.aws_lambda.lambda_handler"
#: A claim and its outcome are updates of one row, under conditions; who could put one would need no condition.
INBOX_USE = ("dynamodb:GetItem", "dynamodb:UpdateItem")


class GroupFunction(pulumi.ComponentResource):
    """A group whose handlers run in Lambda; SNS and SQS never lose an event of it, whatever its function does."""

    def __init__(
        self, group: LambdaGroup, topics: Sequence[EventTopic], account: Account, outbox: aws.dynamodb.Table | None
    ) -> None:
        opts = pulumi.ResourceOptions(parent=account)
        super().__init__("millrace:infra:GroupFunction", group.name, None, opts)
        timing = function_timing(group)
        name = aws_names.function_queue(account.prefix, group.name)
        queue = SubscribedQueue(name, topics, account, visibility=timing.visibility, max_receives=timing.max_receives)
        made: list[pulumi.Resource] = [queue.queue, queue.dead, *filter(None, [outbox])]
        if not group.database:
            made.append(table.inbox(group.name, account, self))
        if account.settings.lambda_service:
            made += role(group.name, _may(group, name, account), account, self)
            made.append(log_group(group.name, account, self))
            self._function(group, timing, name, account, made)
        self.register_outputs({})

    def _function(
        self, group: LambdaGroup, timing: FunctionTiming, queue: str, account: Account, after: list[pulumi.Resource]
    ) -> None:
        name = aws_names.function(account.prefix, group.name)
        function = aws.lambda_.Function(
            name,
            name=name,
            role=account.role_arn(name),
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            handler=HANDLER,
            code=pulumi.FileArchive(str(account.settings.package_of(database=group.database))),
            timeout=timing.timeout,
            memory_size=group.memory,
            kms_key_arn=account.key_arn,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=_environment(group, queue, account)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        aws.lambda_.EventSourceMapping(
            name,
            event_source_arn=account.queue_arn(queue),
            function_name=name,
            batch_size=timing.batch,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(maximum_concurrency=group.concurrency),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[function]),
        )


def _may(group: LambdaGroup, queue: str, account: Account) -> list[Statement]:
    statements = [
        allow("Take", RECEIVE, [account.queue_arn(queue)]),
        allow("Dead", SEND, [account.queue_arn(aws_names.dead_queue(queue))]),
        *account.key_use(ENCRYPT),
    ]
    if not group.database:
        inbox = account.table_arn(aws_names.inbox_table(account.prefix, group.name))
        outbox = account.table_arn(aws_names.outbox_table(account.prefix))
        statements += [allow("Inbox", INBOX_USE, [inbox]), allow("Publish", ("dynamodb:PutItem",), [outbox])]
    return statements


def _environment(group: LambdaGroup, queue: str, account: Account) -> Mapping[str, pulumi.Input[str]]:
    settings = account.settings
    variables: dict[str, pulumi.Input[str]] = {
        "MILLRACE_GROUP": group.name,
        "MILLRACE_DEAD_QUEUE_URL": account.queue_url(aws_names.dead_queue(queue)),
    }
    if group.database:
        variables["MILLRACE_DATABASE_URL"] = settings.database_url.apply(lambda url: _given(url, group))
    else:
        inbox = aws_names.inbox_table(account.prefix, group.name)
        variables["MILLRACE_INBOX_URL"] = f"dynamodb://{inbox}?region={settings.region}"
        variables["MILLRACE_OUTBOX_TABLE"] = aws_names.outbox_table(account.prefix)
    if settings.catalog:
        variables["MILLRACE_CATALOG"] = settings.catalog
    return variables


def _given(url: str, group: LambdaGroup) -> str:
    if not url:
        raise Refused(f"functionDatabaseUrl must be set: group {group.name!r} has database=True, got ''")
    return url
