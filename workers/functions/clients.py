"""The client of SQS that a function uses beside its inbox: each call is bounded, in success or in an error."""

from typing import Any

import boto3
from botocore.config import Config
from millrace.derived import STORE_SECONDS

#: One repetition is made; both are over well within what a function's time-out has room for (aws_derived).
_LIMITS = Config(
    connect_timeout=STORE_SECONDS / 4,
    read_timeout=STORE_SECONDS,
    retries={"mode": "standard", "total_max_attempts": 2},
)


def sqs_client(endpoint: str | None = None) -> Any:
    """A client for the region that the function runs in; credentials come as boto3 finds them."""
    return boto3.client("sqs", endpoint_url=endpoint, config=_LIMITS)
