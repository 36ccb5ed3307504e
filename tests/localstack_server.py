"""An own LocalStack for a test run, on a free loopback port; an account of its own keeps tests apart."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

import boto3

from operations.local.layout import Layout
from operations.local.localstack import REGION, answers, credentials, endpoint, localstack_spec
from operations.local.ports import free_ports
from operations.local.spawn import open_log, spawn, stop

START_SECONDS = 60.0
#: So many looks must find a queue empty.
LOOKS = 5


@dataclass(frozen=True)
class Aws:
    """One account at the test run's LocalStack."""

    endpoint: str
    account: str
    region: str = REGION

    @property
    def environment(self) -> dict[str, str]:
        """What a process of ours, or the AWS command line, is started with."""
        return {**credentials(self.account), "AWS_DEFAULT_REGION": self.region, "AWS_ENDPOINT_URL": self.endpoint}

    def client(self, service: str) -> Any:
        """A boto3 client; close it after use."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.account,
            aws_secret_access_key="test",
        )


def held(sqs: Any, queue_url: str) -> int:
    """How many messages a queue has, hidden ones among them.

    LocalStack's numbers are approximate, as those of SQS: a message that is just being received, or comes back, is in
    neither of them. So none counts only if several looks see none.
    """
    return next((number for _ in range(LOOKS) if (number := _look(sqs, queue_url))), 0)


def _look(sqs: Any, queue_url: str) -> int:
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=wanted)["Attributes"]
    return sum(int(number) for number in found.values())


def fresh_account(endpoint_url: str) -> Aws:
    """An account that nobody else uses."""
    return Aws(endpoint_url, str(random.SystemRandom().randrange(10**11, 10**12)))


@contextmanager
def running_localstack() -> Iterator[str]:
    """Run one; gives its endpoint."""
    with tempfile.TemporaryDirectory(prefix="localstack-") as directory:
        layout = Layout(Path(directory))
        url = endpoint(port := free_ports(1)[0])
        log = layout.log("localstack")
        with open_log(log) as output:
            process = spawn(localstack_spec(layout, port), output, when_parent_dies=SIGKILL)
        try:
            _wait_until_ready(url, log, process.poll)
            yield url
        finally:
            stop(process, grace=10.0)


def _wait_until_ready(url: str, log: Path, ended: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        if ended() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"LocalStack must start within {START_SECONDS:.0f} s, got:\n{log.read_text()}")
        time.sleep(0.1)
