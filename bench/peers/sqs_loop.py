"""A plain loop over an SQS queue, as any tutorial has it: ten at a time, handled, and each deleted by itself.

python -m bench.peers.sqs_loop broker|handler
"""

import json
import os
import sys
from collections.abc import Callable

import amqp
import boto3

from bench.peers.work import work

Do = Callable[[str], None]
LONG_POLL_SECONDS = 20


def to_broker() -> Do:
    """Publish the event to a queue of RabbitMQ, confirmed."""
    from millrace.publishing.connection import broker_options  # noqa: PLC0415 (of this way only)

    options = broker_options(os.environ["BENCH_BROKER_URL"])
    channel = amqp.Connection(**options, confirm_publish=True).channel()
    queue = os.environ["BENCH_QUEUE"]

    def publish(event: str) -> None:
        channel.basic_publish_confirm(amqp.Message(event, delivery_mode=2), "", queue)

    return publish


def to_handler() -> Do:
    """Write the order, without any inbox."""

    def handle(event: str) -> None:
        fields = json.loads(event)
        work(fields["id"], fields["data"])

    return handle


def run(do: Do) -> None:
    """Until it is ended."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=os.environ["BENCH_SQS_QUEUE"])["QueueUrl"]
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=LONG_POLL_SECONDS)
        for message in got.get("Messages", ()):
            do(json.loads(message["Body"])["Message"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    run(to_broker() if sys.argv[1] == "broker" else to_handler())
