"""Policy documents: what they may say is made here, and each action in them is spelled out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

Statement = Mapping[str, Any]

SEND = ("sqs:SendMessage",)
RECEIVE = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
#: All that a queue's policy can refuse of what carries messages.
QUEUE_USE = (*RECEIVE, "sqs:GetQueueUrl", "sqs:PurgeQueue", *SEND)
DECRYPT = ("kms:Decrypt",)
#: Writing to an encrypted queue or topic takes both.
ENCRYPT = ("kms:Decrypt", "kms:GenerateDataKey")


def document(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """The policy's text."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def allow(sid: str, actions: Sequence[str], resources: Sequence[pulumi.Input[str]]) -> Statement:
    """Let the holder of the policy do this to these."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def allow_service(
    sid: str, service: str, actions: Sequence[str], resource: str, condition: Mapping[str, Mapping[str, Any]]
) -> Statement:
    """Let a service of AWS do this, for these sources only: without them it may act for anybody's."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions),
        "Resource": resource,
        "Condition": dict(condition),
    }


def tls_only(actions: Sequence[str], resource: str) -> Statement:
    """Refuse everybody who comes without TLS."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": list(actions),
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
