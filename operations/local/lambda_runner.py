"""`python -m operations.local.lambda_runner FUNCTION`: AWS Lambda for one function, where LocalStack has none.

The packaged code runs in processes of its own, through AWS's own runtime interface client; messages come from the
function's queue at LocalStack. What a process prints is in this one's log.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
import structlog
from botocore.config import Config
from millrace import aws_names
from millrace.aws_derived import SQS_CALL_SECONDS, function_timing
from millrace.functions import Function, LambdaGroup

from operations.local.lambda_deployment import Place, deployed, place_from
from operations.local.lambda_feeding import WAIT_SECONDS, Feeding
from operations.local.lambda_instance import Deployed, Instance
from operations.local.localstack import credentials
from workers.environment import SettingsError
from workers.logs import configure_logs

log = structlog.get_logger("millrace.lambda")

#: More processes of one function help nobody on one machine.
MOST_INSTANCES = 2
#: Messages of a plain function that are taken at a time: they run one by one, within their queue's visibility time.
PLAIN_BATCH = 5
#: A call in hand may go on for so long after SIGTERM.
GRACE_SECONDS = 15.0


def main(name: str) -> int:
    """Run a function until SIGTERM or SIGINT; 78 if a setting is wrong."""
    configure_logs()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with tempfile.TemporaryDirectory(prefix="millrace-function-") as directory:
        try:
            place = place_from()
            function = place.function(name)
            code = deployed(place, function, Path(directory))
        except SettingsError as error:
            sys.stderr.write(f"the function does not start: {error}\n")
            return 78
        log.info("started", function=name, handler=code.handler)
        well = _run(_feeding(place, function), code, min(MOST_INSTANCES, function.concurrency), stopping)
        log.info("stopped", function=name)
    return 0 if well else 1


def _feeding(place: Place, function: Function) -> Feeding:
    known = credentials(place.aws_account)
    limits = Config(
        connect_timeout=SQS_CALL_SECONDS / 2,
        read_timeout=SQS_CALL_SECONDS + WAIT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    sqs = boto3.client(
        "sqs",
        endpoint_url=place.aws_endpoint,
        region_name=place.aws_region,
        aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        config=limits,
    )
    queue = aws_names.function_queue(place.vhost, function.name)
    together = isinstance(function, LambdaGroup)
    batch = function_timing(function).batch if isinstance(function, LambdaGroup) else PLAIN_BATCH
    return Feeding(
        sqs=sqs,
        queue_url=place.queue_url(queue),
        queue_arn=place.arn("sqs", queue),
        name=function.name,
        batch=batch,
        together=together,
    )


def _run(feeding: Feeding, code: Deployed, count: int, stopping: threading.Event) -> bool:
    """Feed the instances until stopping; False if something of ours has ended before."""
    instances = [Instance(code) for _ in range(count)]
    threads = [
        threading.Thread(target=feeding.run, args=(instance, stopping), name=f"instance-{at}", daemon=True)
        for at, instance in enumerate(instances)
    ]
    for thread in threads:
        thread.start()
    well = True
    while well and not stopping.wait(1.0):
        well = all(thread.is_alive() for thread in threads)
    stopping.set()
    ends_at = time.monotonic() + WAIT_SECONDS + GRACE_SECONDS
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))
    for instance in instances:
        instance.close()
    feeding.sqs.close()
    return well


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit("usage: python -m operations.local.lambda_runner FUNCTION")
    sys.exit(main(sys.argv[1]))
