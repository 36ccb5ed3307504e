"""Clients of AWS for the processes that run beside RabbitMQ: where AWS is comes from the settings, who one is does not.

Credentials are found as boto3 finds them: a role, the environment.
"""

from typing import Any

import boto3
from botocore.config import Config
from millrace.aws_derived import LONG_POLL_SECONDS, SQS_CALL_SECONDS

from workers.environment import SettingsError
from workers.settings import Settings


def aws_client(settings: Settings, service: str, *, long_poll: bool = False, connections: int = 10) -> Any:
    """A client of `sqs`, `sns` or `dynamodb`, safe in threads; close it after use.

    Each call is bounded, in success or in an error; one with `long_poll` waits that much longer for an answer.
    Raises SettingsError if the settings do not say where AWS is.
    """
    if settings.aws_region is None:
        raise SettingsError("MILLRACE_AWS_REGION must be set")
    limits = Config(
        connect_timeout=SQS_CALL_SECONDS / 2,
        read_timeout=SQS_CALL_SECONDS + (LONG_POLL_SECONDS if long_poll else 0),
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=connections,
    )
    return boto3.client(service, region_name=settings.aws_region, endpoint_url=settings.aws_endpoint, config=limits)
