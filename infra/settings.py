"""The settings of a stack; their types and defaults are in Pulumi.yaml, and only there."""

from dataclasses import dataclass

import pulumi
from millrace import names

from infra.aws.settings import AwsSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which broker, as whom, what the stack's vhost is called, and what it has at AWS, if anything."""

    vhost: str
    endpoint: str
    username: str
    password: pulumi.Output[str]
    protect: bool
    aws: AwsSettings | None = None

    @classmethod
    def load(cls) -> "Settings":
        """Read the stack's configuration; raises Refused, pulumi.ConfigMissingError or ConfigTypeError."""
        config = pulumi.Config()
        stack = pulumi.get_stack()
        return cls(
            vhost=names.vhost(stack),
            endpoint=config.require("endpoint"),
            username=config.require("username"),
            password=config.require_secret("password"),
            protect=config.require_bool("protect"),
            aws=AwsSettings.load(config, stack) if config.require_bool("aws") else None,
        )
