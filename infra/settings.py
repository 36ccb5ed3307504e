"""The settings of a stack; their types and defaults are in Pulumi.yaml, and only there."""

from dataclasses import dataclass

import pulumi
from millrace import names


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Which broker, as whom, and what the stack's vhost is called."""

    vhost: str
    endpoint: str
    username: str
    password: pulumi.Output[str]
    protect: bool

    @classmethod
    def load(cls) -> "Settings":
        """Read the stack's configuration; raises pulumi.ConfigMissingError or ConfigTypeError."""
        config = pulumi.Config()
        return cls(
            vhost=names.vhost(pulumi.get_stack()),
            endpoint=config.require("endpoint"),
            username=config.require("username"),
            password=config.require_secret("password"),
            protect=config.require_bool("protect"),
        )
