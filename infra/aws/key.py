"""The stack's own KMS key, on request."""

import pulumi
import pulumi_aws as aws
from millrace import aws_names

from infra.aws.settings import AwsSettings
from infra.aws.statements import ENCRYPT, Statement, allow_service, document

#: What the account's administrators may do, by their IAM policies; without it nobody could manage the key any more.
#: Who makes a table under the key needs all that DynamoDB will do with it, re-encryption among that.
ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
#: In a key's policy, and only there, this is the key itself.
THIS_KEY = "*"
#: What CloudWatch Logs asks for, word by word (logs, "Encrypt log data using AWS KMS").
LOG_USE = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
DELETION_DAYS = 30


def customer_key(prefix: str, settings: AwsSettings, *, parent: pulumi.Resource) -> tuple[aws.kms.Key, aws.kms.Alias]:
    """The key and its alias; the key's resource bears the alias's name, by which the offline engine finds the key."""
    alias = aws_names.key_alias(prefix)
    key = aws.kms.Key(
        alias,
        description=f"Queues, topics, tables and functions of {prefix}",
        enable_key_rotation=True,
        deletion_window_in_days=DELETION_DAYS,
        policy=document(_statements(prefix, settings)),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return key, aws.kms.Alias(alias, name=alias, target_key_id=key.arn, opts=pulumi.ResourceOptions(parent=parent))


def _statements(prefix: str, settings: AwsSettings) -> list[Statement]:
    account, region = settings.account, settings.region
    root = aws_names.arn("iam", "", account, "root")
    administrators = {
        "Sid": "Administrators",
        "Effect": "Allow",
        "Principal": {"AWS": root},
        "Action": list(ADMINISTRATION),
        "Resource": THIS_KEY,
    }
    ours = {"StringEquals": {"aws:SourceAccount": account}}
    logs = aws_names.arn("logs", region, account, f"log-group:{aws_names.log_groups(prefix)}")
    of_ours = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}}
    return [
        administrators,
        # SNS writes to the encrypted queues by itself, for no user who could be granted it.
        allow_service("Sns", "sns.amazonaws.com", ENCRYPT, THIS_KEY, ours),
        allow_service("Logs", f"logs.{region}.amazonaws.com", LOG_USE, THIS_KEY, of_ours),
    ]
