"""An SQS queue as the ingress uses it: batches of ten, out, gone or given back."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog
from millrace.aws_derived import INGRESS_VISIBILITY_SECONDS, SQS_BATCH

log = structlog.get_logger("millrace.ingress")

SqsMessage = Mapping[str, Any]
#: The first tries come at once; what fails again and again comes back later and later, so that it is not used up.
QUICK_TRIES = 3
LONGEST_RETURN_SECONDS = 300


class SqsQueue:
    """One queue, by name; safe in threads. `polling` is a client whose calls may last for a long poll."""

    def __init__(self, polling: Any, acting: Any, name: str) -> None:
        self.name = name
        self._polling = polling
        self._acting = acting
        self._lock = threading.Lock()
        self._url: str | None = None

    def receive(self, wait: int) -> list[SqsMessage]:
        """At most ten messages, hidden from others for the ingress's visibility time."""
        answer = self._polling.receive_message(
            QueueUrl=self._queue_url(),
            MaxNumberOfMessages=SQS_BATCH,
            WaitTimeSeconds=wait,
            VisibilityTimeout=INGRESS_VISIBILITY_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        return list(answer.get("Messages", ()))

    def delete(self, messages: Sequence[SqsMessage]) -> None:
        """Delete what is settled; what could not be deleted comes again, and is known by its id or mark then."""
        for batch in _batches(messages):
            entries = [_entry(number, message) for number, message in enumerate(batch)]
            answer = self._acting.delete_message_batch(QueueUrl=self._queue_url(), Entries=entries)
            self._tell("not deleted", answer)

    def give_back(self, messages: Sequence[SqsMessage], *, at_once: bool = False) -> None:
        """Make messages visible again, sooner than their time is over, or later if they keep coming back."""
        for batch in _batches(messages):
            entries = [
                {**_entry(number, message), "VisibilityTimeout": 0 if at_once else return_seconds(message)}
                for number, message in enumerate(batch)
            ]
            answer = self._acting.change_message_visibility_batch(QueueUrl=self._queue_url(), Entries=entries)
            self._tell("not given back", answer)

    def _queue_url(self) -> str:
        with self._lock:
            if self._url is None:
                self._url = str(self._acting.get_queue_url(QueueName=self.name)["QueueUrl"])
            return self._url

    def _tell(self, what: str, answer: Mapping[str, Any]) -> None:
        failed = answer.get("Failed", ())
        if failed:
            log.warning(what, queue=self.name, messages=len(failed), error=str(failed[0].get("Code")))


def receives(message: SqsMessage) -> int:
    """How often a message has been received; SQS counts approximately."""
    return int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))


def return_seconds(message: SqsMessage) -> int:
    """After how many seconds a message that could not be settled is visible again."""
    tries = receives(message) - QUICK_TRIES
    return 0 if tries <= 0 else int(min(2 ** min(tries, 10), LONGEST_RETURN_SECONDS))


def _batches(messages: Sequence[SqsMessage]) -> Iterator[Sequence[SqsMessage]]:
    for start in range(0, len(messages), SQS_BATCH):
        yield messages[start : start + SQS_BATCH]


def _entry(number: int, message: SqsMessage) -> dict[str, Any]:
    return {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
