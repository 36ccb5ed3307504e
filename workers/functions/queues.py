"""What a function tells SQS: which message comes back when, and what is dead."""

from collections.abc import Mapping
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from millrace import aws_names
from millrace.aws_derived import LONGEST_VISIBILITY_SECONDS
from millrace.aws_messages import sendable, text_attributes

from workers.functions.records import Record
from workers.outgoing import MAX_ERROR, MAX_STACK, Failure

log = structlog.get_logger("millrace.function")

#: A message with its attributes is at most 256 KiB (that is so everywhere); so much of it is left to the attributes.
MAX_BODY = 256 * 1024 - 32 * 1024
AWS_ERRORS = (BotoCoreError, ClientError)


class Queues:
    """The queue that a record came from, and the one of dead letters."""

    def __init__(self, client: Any, dead_queue_url: str) -> None:
        self._client = client
        self._dead = dead_queue_url

    def come_back(self, record: Record, seconds: float) -> None:
        """Let a message of SQS come back after so many seconds; if that fails, it comes when its time there is over."""
        if record.receipt is None or record.queue is None:
            return
        region, account, name = record.queue.split(":")[-3:]
        url = aws_names.queue_url(self._client.meta.endpoint_url, region, account, name)
        whole = max(0, min(round(seconds), LONGEST_VISIBILITY_SECONDS))
        try:
            self._client.change_message_visibility(QueueUrl=url, ReceiptHandle=record.receipt, VisibilityTimeout=whole)
        except AWS_ERRORS as error:
            log.warning("comes back by its queue's time", mark=record.mark, error=type(error).__name__)

    def bury(self, body: str, failure: Failure, *, letter: str, generation: int = 0) -> None:
        """Send a dead letter; raises one of AWS_ERRORS if SQS does not take it."""
        whole = sendable(body)
        text = whole.encode()[:MAX_BODY].decode("utf-8", "ignore")
        values: Mapping[str, object] = {
            "cause": failure.cause,
            "error": sendable(failure.error[:MAX_ERROR]),
            "stack": sendable((failure.stack or "")[-MAX_STACK:]),
            "attempts": failure.attempts,
            "letter": letter,
            "generation": generation,
            "cut": "" if text == whole else f"{len(whole.encode())} bytes",
        }
        attributes = text_attributes({name: str(value) for name, value in values.items() if value != ""})
        self._client.send_message(QueueUrl=self._dead, MessageBody=text or " ", MessageAttributes=attributes)
