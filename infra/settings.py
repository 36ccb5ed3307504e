"""The settings of a stack; their types and defaults are in Pulumi.yaml, and only there."""

from dataclasses import dataclass

import pulumi
from millrace import names

from infra.aws.settings import AwsSettings
from infra.kubernetes.settings import KubernetesSettings
from infra.refusal import Refused


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which broker, as whom, what the stack's vhost is called, and what it has at AWS and on Kubernetes."""

    vhost: str
    endpoint: str
    username: str
    password: pulumi.Output[str]
    protect: bool
    aws: AwsSettings | None = None
    kubernetes: KubernetesSettings | None = None

    @classmethod
    def load(cls) -> "Settings":
        """Read the stack's configuration; raises Refused, pulumi.ConfigMissingError or ConfigTypeError."""
        config = pulumi.Config()
        stack = pulumi.get_stack()
        aws = AwsSettings.load(config, stack) if config.require_bool("aws") else None
        # What was written before there was this setting goes on without it.
        kubernetes = KubernetesSettings.load(config) if config.get_bool("kubernetes") else None
        if aws is not None and aws.endpoint and kubernetes is not None:
            raise Refused(
                f"awsEndpoint must be empty where kubernetes is true: no pod reaches it, got {aws.endpoint!r}"
            )
        return cls(
            vhost=names.vhost(stack),
            endpoint=config.require("endpoint"),
            username=config.require("username"),
            password=config.require_secret("password"),
            protect=config.require_bool("protect"),
            aws=aws,
            kubernetes=kubernetes,
        )
