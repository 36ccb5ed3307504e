"""Where AWS is for the commands that look there: what `make up` noted of LocalStack, or what the environment says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: What people wait for: one that does not answer within this is said not to.
CONNECT_SECONDS, ANSWER_SECONDS = 1.0, 3.0
#: What is noted of a local stack that is to run without AWS, as its environment says it.
SWITCHED_OFF = "MILLRACE_AWS=off"
REGION, ACCOUNT, ENDPOINT = "MILLRACE_AWS_REGION", "MILLRACE_AWS_ACCOUNT", "MILLRACE_AWS_ENDPOINT"


@dataclass(frozen=True, kw_only=True)
class AwsPlace:
    """An account in a region; with an endpoint it is a stand-in's, which takes the account for the key."""

    region: str
    account: str
    endpoint: str | None = None

    def client(self, service: str) -> Any:
        """A client of a service that gives up within seconds; close it after use."""
        import boto3  # noqa: PLC0415 (only who looks at AWS pays for it)
        from botocore.config import Config  # noqa: PLC0415

        limits = Config(connect_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1})
        login = {"aws_access_key_id": self.account, "aws_secret_access_key": "test"} if self.endpoint else {}
        return boto3.client(service, region_name=self.region, endpoint_url=self.endpoint, config=limits, **login)


def aws_place(noted: Mapping[str, str], environment: Mapping[str, str]) -> AwsPlace | None:
    """The environment's, if it names region and account, else the local stack's; None if neither is there."""
    if environment.get(REGION) and environment.get(ACCOUNT):
        endpoint = environment.get(ENDPOINT) or None
        return AwsPlace(region=environment[REGION], account=environment[ACCOUNT], endpoint=endpoint)
    if "endpoint" in noted:
        return AwsPlace(region=noted["region"], account=noted["account"], endpoint=noted["endpoint"])
    return None
