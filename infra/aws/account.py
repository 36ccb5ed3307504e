"""The stack's part of an account: who makes things there, what encrypts them, what their ARNs are."""

from collections.abc import Sequence

import pulumi
from millrace import aws_names

from infra.aws.key import customer_key
from infra.aws.provider import provider
from infra.aws.settings import AwsSettings
from infra.aws.statements import Statement, allow

#: Under this one SNS encrypts for itself. SQS has no such key that SNS may use: there it is SQS's own (SSE-SQS).
MANAGED_TOPIC_KEY = "alias/aws/sns"


class Account(pulumi.ComponentResource):
    """One account in one region.

    ARNs are plain text and order is by `depends_on`, as at the broker: were they outputs, replacing one resource would
    replace all that name it, tables among them.
    """

    def __init__(self, settings: AwsSettings, prefix: str, *, protect: bool) -> None:
        opts = pulumi.ResourceOptions(providers=[provider(settings)])
        super().__init__("millrace:infra:Account", f"{prefix}-aws", None, opts)
        self.settings = settings
        self.prefix = prefix
        self.protect = protect
        key = customer_key(prefix, settings, parent=self) if settings.customer_key else None
        self.key_arn: pulumi.Output[str] | None = key[0].arn if key else None
        #: What must be there before anything is encrypted.
        self.ready: list[pulumi.Resource] = list(key or ())
        self.register_outputs({})

    @property
    def key_alias(self) -> str | None:
        """The alias of the stack's own key, if it has one."""
        return aws_names.key_alias(self.prefix) if self.settings.customer_key else None

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something in the account and region."""
        return aws_names.arn(service, self.settings.region, self.settings.account, resource)

    def queue_arn(self, name: str) -> str:
        """The ARN of an SQS queue."""
        return self.arn("sqs", name)

    def table_arn(self, name: str) -> str:
        """The ARN of a DynamoDB table."""
        return self.arn("dynamodb", f"table/{name}")

    def function_arn(self, name: str) -> str:
        """The ARN of a Lambda function."""
        return self.arn("lambda", f"function:{name}")

    def role_arn(self, name: str) -> str:
        """The ARN of an IAM role, which is of no region."""
        return aws_names.arn("iam", "", self.settings.account, f"role/{name}")

    def queue_url(self, name: str) -> str:
        """The URL of an SQS queue."""
        return aws_names.queue_url(self.settings.endpoint, self.settings.region, self.settings.account, name)

    def key_use(self, actions: Sequence[str]) -> list[Statement]:
        """What lets somebody use what the stack's own key encrypts; nothing where it has none."""
        return [allow("Key", actions, [self.key_arn])] if self.key_arn is not None else []
