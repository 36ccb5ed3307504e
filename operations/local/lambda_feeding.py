"""How a function gets its events: its queue is read as Lambda's event source reads it, or as SNS calls a function."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from millrace.aws_derived import SQS_BATCH

from operations.local.lambda_events import settled, sns_event, sqs_event
from operations.local.lambda_instance import CallFailed, Instance
from workers.functions.queues import AWS_ERRORS

log = structlog.get_logger("millrace.lambda")

#: One look at the queue lasts so long, and so late a stop is noticed.
WAIT_SECONDS = 2
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
_Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """One function's queue; `batch` messages are taken at a time, and given `together` or one by one."""

    sqs: Any
    queue_url: str
    queue_arn: str
    name: str
    batch: int
    together: bool

    def run(self, instance: Instance, stopping: threading.Event) -> None:
        """Take and give until stopping; what has been taken by then is still given."""
        pause = FIRST_PAUSE_SECONDS
        while not stopping.is_set():
            if stopping.wait(instance.wait_seconds()):
                return
            try:
                messages = self._receive()
                if messages:
                    self._give(instance, messages)
            except AWS_ERRORS as error:
                log.warning("trouble with the queue", function=self.name, error=str(error)[:300], again_in=pause)
                stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                pause = FIRST_PAUSE_SECONDS

    def _receive(self) -> _Messages:
        answer = self.sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=min(self.batch, SQS_BATCH),
            WaitTimeSeconds=WAIT_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        found: _Messages = answer.get("Messages", [])
        return found

    def _give(self, instance: Instance, messages: _Messages) -> None:
        calls = [messages] if self.together else [[message] for message in messages]
        for part in calls:
            try:
                answer = instance.call(self._event(part))
            except (CallFailed, ValueError) as error:  # they come again when their time in the queue is over
                log.warning("call failed", function=self.name, messages=len(part), error=str(error))
                continue
            self._delete(settled(part, answer) if self.together else part)

    def _event(self, messages: _Messages) -> Mapping[str, Any]:
        if self.together:
            return sqs_event(messages, self.queue_arn)
        return sns_event(messages[0]["Body"], f"{self.queue_arn}:local")

    def _delete(self, messages: _Messages) -> None:
        if messages:
            entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
            answer = self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
            if answer.get("Failed"):
                log.warning("not deleted", function=self.name, messages=len(answer["Failed"]))
