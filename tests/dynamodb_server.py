"""A stand-in for DynamoDB for a test run: moto's server in a process of its own, `python -m tests.dynamodb_server`.

It answers one request at a time: moto checks a condition and writes in two steps, which threads would tear apart.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx

from operations.local.ports import LOOPBACK, free_ports

REGION = "eu-west-1"
#: What boto3 wants to have; the stand-in looks at none of it.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ROOT = Path(__file__).parents[1]


@contextmanager
def running_dynamodb() -> Iterator[str]:
    """Run the stand-in; gives its endpoint."""
    port = free_ports(1)[0]
    endpoint = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "tests.dynamodb_server", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            _wait_until_ready(endpoint, process)
            yield endpoint
        finally:
            process.terminate()


def _wait_until_ready(endpoint: str, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx.get(f"{endpoint}/moto-api/data.json", timeout=5)
        except httpx.HTTPError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the stand-in for DynamoDB must start within {seconds:.0f} s") from error
            time.sleep(0.05)
        else:
            return


def client_of(endpoint: str) -> Any:
    """A client of the stand-in; close it after use."""
    login = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("dynamodb", region_name=REGION, endpoint_url=endpoint, **login)


def make_table(client: Any, name: str, *keys: str) -> None:
    """A table of one key, or of two, all text."""
    kinds = zip(keys, ("HASH", "RANGE"), strict=False)
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in kinds],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )


@contextmanager
def fresh_table(endpoint: str) -> Iterator[str]:
    """An empty table as the inbox wants it; gives the URL of the store."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with closing(client_of(endpoint)) as client:
        make_table(client, name, "key")
        try:
            yield f"dynamodb://{name}?region={REGION}&endpoint={endpoint}&timeout=20"
        finally:
            client.delete_table(TableName=name)


def serve(port: int) -> None:
    """Answer until the process is ended."""
    from moto.moto_server.werkzeug_app import create_backend_app  # noqa: PLC0415 (slow, and for the server only)
    from werkzeug.serving import run_simple  # noqa: PLC0415

    run_simple(LOOPBACK, port, create_backend_app("dynamodb"), threaded=False)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
