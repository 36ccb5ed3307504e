"""What a Lambda function may do, and where it logs."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
from millrace import aws_names
from millrace.aws_derived import LOG_DAYS

from infra.aws.account import Account
from infra.aws.statements import Statement, allow, document

LAMBDA = "lambda.amazonaws.com"


def log_group(function: str, account: Account, parent: pulumi.Resource) -> aws.cloudwatch.LogGroup:
    """The function's log group; made before the function, which would make one that keeps all for ever."""
    name = aws_names.log_group(account.prefix, function)
    return aws.cloudwatch.LogGroup(
        name,
        name=name,
        retention_in_days=LOG_DAYS,
        kms_key_id=account.key_arn,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=account.ready),
    )


def role(
    function: str, statements: Sequence[Statement], account: Account, parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """The role that the function runs as: it may do what is given and write its own log."""
    name = aws_names.function(account.prefix, function)
    trust = {"Effect": "Allow", "Principal": {"Service": LAMBDA}, "Action": ["sts:AssumeRole"]}
    made = aws.iam.Role(
        name, name=name, assume_role_policy=document([trust]), opts=pulumi.ResourceOptions(parent=parent)
    )
    streams = account.arn("logs", f"log-group:{aws_names.log_group(account.prefix, function)}:log-stream:*")
    logging = allow("Log", ("logs:CreateLogStream", "logs:PutLogEvents"), [streams])
    policy = aws.iam.RolePolicy(
        name,
        name=name,
        role=name,
        policy=document([*statements, logging]),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[made]),
    )
    return [made, policy]
