"""Clients of AWS's services at one endpoint, in one account."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from millrace import aws_names

from infra.offline_engine.aws.target import AwsTarget
from infra.offline_engine.errors import AwsProblem
from infra.offline_engine.management import CONNECTIONS

T = TypeVar("T")
#: How the services say that there is no such thing.
MISSING = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
#: Straight to the endpoint, whatever proxies the environment names.
CONFIG = Config(
    connect_timeout=5, read_timeout=30, max_pool_connections=CONNECTIONS, proxies={}, retries={"total_max_attempts": 2}
)


class Clients:
    """A client per service, made at first use; safe in threads."""

    def __init__(self, target: AwsTarget, config: Config = CONFIG) -> None:
        self.target = target
        self._config = config
        self._session = boto3.Session(
            # LocalStack takes an access key of 12 digits as the account, and looks at nothing else.
            aws_access_key_id=target.account,
            aws_secret_access_key="test",  # noqa: S106
            region_name=target.region,
        )
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, service: str) -> Any:
        """The client of a service."""
        with self._lock:  # a session makes one client at a time
            if service not in self._made:
                self._made[service] = self._session.client(
                    service, endpoint_url=self.target.endpoint, config=self._config
                )
            return self._made[service]

    def close(self) -> None:
        """Close the connections."""
        for client in self._made.values():
            client.close()

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something in the account and region."""
        return aws_names.arn(service, self.target.region, self.target.account, resource)

    def queue_url(self, name: str) -> str:
        """The URL of an SQS queue."""
        return aws_names.queue_url(self.target.endpoint, self.target.region, self.target.account, name)


@contextmanager
def connected(target: AwsTarget, *, patience: float | None = None) -> Iterator[Clients]:
    """Clients that answer, within `patience` seconds, and are of the account; raises AwsProblem."""
    hasty = Config(connect_timeout=patience, read_timeout=patience, retries={"total_max_attempts": 1})
    clients = Clients(target, CONFIG if patience is None else CONFIG.merge(hasty))
    try:
        with as_problem(target):
            account = clients("sts").get_caller_identity()["Account"]
        if account != target.account:
            raise AwsProblem(f"the credentials at {target.endpoint} must be of account {target.account}, got {account}")
        yield clients
    finally:
        clients.close()


@contextmanager
def as_problem(target: AwsTarget) -> Iterator[None]:
    """Raise what boto3 raises as AwsProblem; one with a cause is no answer at all."""
    try:
        yield
    except ClientError as error:
        raise AwsProblem(str(error)) from None
    except BotoCoreError as error:
        raise AwsProblem(f"AWS at {target.endpoint} does not answer ({error}); start LocalStack") from error


def or_none(call: Callable[..., T], **arguments: Any) -> T | None:
    """The call's answer, None where it says that there is no such thing."""
    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in MISSING:
            return None
        raise
