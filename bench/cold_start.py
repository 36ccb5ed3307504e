"""`python -m bench.cold_start`: how long a function needs before its first event, in fresh processes of the package.

With `--endpoint URL` of a LocalStack, the first call (claim and outcome in DynamoDB) is measured too.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import boto3
import click

from operations.local.localstack import REGION, credentials
from operations.packaging import Package, build

CATALOG = "bench.cold_start_catalog:CATALOG"
GROUP, INBOX, OUTBOX = "audit", "cold-start-inbox", "cold-start-outbox"
CHILD = """
import json, sys, time
began = time.perf_counter()
import boto3, pydantic, structlog
libraries = time.perf_counter()
import workers.aws_lambda as function
imported = time.perf_counter()
made = function.make(function.from_environment())
ready = time.perf_counter()
took = {"libraries": libraries - began, "ours": imported - libraries, "made": ready - imported}
if len(sys.argv) > 1:
    from types import SimpleNamespace
    context = SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 300_000)
    for name in ("first call", "second call"):
        began = time.perf_counter()
        event = {"Records": [{**json.loads(sys.argv[1]), "messageId": name}]}
        event["Records"][0]["body"] = event["Records"][0]["body"].replace("ID", f"{sys.argv[2]} {name}")
        assert made.call(event, context) == {"batchItemFailures": []}
        took[name] = time.perf_counter() - began
sys.stderr.write(json.dumps(took))
"""


@click.command()
@click.option("--runs", default=10, help="Fresh processes.")
@click.option("--endpoint", help="Of a running LocalStack.")
def main(runs: int, endpoint: str | None) -> None:
    """Print the median of each step, in milliseconds."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "code"
        with zipfile.ZipFile(build(Package(database=False, libraries=False), Path(directory), Path(directory))) as code:
            code.extractall(root)
        environment = _environment(root, endpoint)
        if endpoint:
            _tables(endpoint)
        measured = [_once(environment, number if endpoint else None) for number in range(runs + 1)][1:]
    for step in measured[0]:
        click.echo(f"{step:12} {statistics.median(each[step] for each in measured) * 1000:7.0f} ms")


def _environment(root: Path, endpoint: str | None) -> dict[str, str]:
    at = endpoint or "http://127.0.0.1:9"
    return {
        **os.environ,
        **credentials(),
        "PYTHONPATH": f"{root}{os.pathsep}{Path.cwd()}",
        "MILLRACE_GROUP": GROUP,
        "MILLRACE_CATALOG": CATALOG,
        "MILLRACE_DEAD_QUEUE_URL": f"{at}/1/dead",
        "MILLRACE_INBOX_URL": f"dynamodb://{INBOX}?region={REGION}&endpoint={at}&timeout=10",
        "MILLRACE_OUTBOX_TABLE": OUTBOX,
        "MILLRACE_AWS_ENDPOINT": at,
    }


def _once(environment: dict[str, str], number: int | None) -> dict[str, float]:
    record = {
        "receiptHandle": "r",
        "body": json.dumps(
            {"specversion": "1.0", "id": "ID", "source": "/bench", "type": "user.signed_up", "data": {"user_id": "1"}}
        ),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:1:q",
    }
    arguments = [] if number is None else [json.dumps(record), f"{os.getpid()}-{number}"]
    done = subprocess.run(  # noqa: S603 (argv is ours)
        [sys.executable, "-c", CHILD, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    return found


def _tables(endpoint: str) -> None:
    known = credentials()
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
    )
    dynamodb.create_table(
        TableName=INBOX,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


if __name__ == "__main__":
    main()
