"""DynamoDB tables of functions: their inboxes, and the outbox that they share."""

import pulumi
import pulumi_aws as aws
from millrace import aws_names

from infra.aws.account import Account

#: When DynamoDB may drop a row, in seconds since 1970.
EXPIRY = "expires_at"


def inbox(group: str, account: Account, parent: pulumi.Resource) -> aws.dynamodb.Table:
    """The table in which a group's function claims events and records their outcomes."""
    return _table(aws_names.inbox_table(account.prefix, group), ("key",), account, parent, expires=True)


def outbox(account: Account) -> aws.dynamodb.Table:
    """The table of what functions without a database publish, until the relay has sent it: a shard is read in order."""
    return _table(aws_names.outbox_table(account.prefix), ("shard", "at"), account, account, expires=False)


def _table(
    name: str, keys: tuple[str, ...], account: Account, parent: pulumi.Resource, *, expires: bool
) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        name,
        name=name,
        billing_mode="PAY_PER_REQUEST",
        hash_key=keys[0],
        range_key=keys[1] if len(keys) > 1 else None,
        attributes=[aws.dynamodb.TableAttributeArgs(name=key, type="S") for key in keys],
        ttl=aws.dynamodb.TableTtlArgs(attribute_name=EXPIRY, enabled=True) if expires else None,
        point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
        server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=account.key_arn),
        deletion_protection_enabled=account.protect,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=account.ready, protect=account.protect),
    )
