"""The SNS topic of an event type."""

import pulumi
import pulumi_aws as aws

from infra.aws.account import MANAGED_TOPIC_KEY, Account
from infra.aws.statements import document, tls_only


class EventTopic(pulumi.ComponentResource):
    """An encrypted topic that takes nothing without TLS; who may publish is said by IAM in its own account."""

    def __init__(self, name: str, account: Account) -> None:
        super().__init__("millrace:infra:EventTopic", name, None, pulumi.ResourceOptions(parent=account))
        self.name = name
        self.arn = account.arn("sns", name)
        self.topic = aws.sns.Topic(
            name,
            name=name,
            kms_master_key_id=account.key_alias or MANAGED_TOPIC_KEY,
            policy=document([tls_only(("sns:Publish",), self.arn)]),
            opts=pulumi.ResourceOptions(parent=self, depends_on=account.ready),
        )
        self.register_outputs({"arn": self.arn})
