"""What becomes of a batch: confirmed by RabbitMQ, then deleted from SQS; what is not confirmed goes back."""

import time
from collections.abc import Callable, Sequence

import structlog
from millrace.aws_derived import INGRESS_BEGIN_SECONDS
from millrace.errors import PublishError
from prometheus_client import Counter

from workers.ingress.checking import Prepared
from workers.ingress.queues import SqsMessage, SqsQueue
from workers.ingress.sending import BulkSender

log = structlog.get_logger("millrace.ingress")

RECEIVED = Counter("millrace_ingress_received_total", "Messages received from SQS", ["queue"])
ACCEPTED = Counter("millrace_ingress_accepted_total", "Events sent on and confirmed", ["queue"])
REJECTED = Counter("millrace_ingress_rejected_total", "Messages that became letters", ["queue"])
FAILED = Counter("millrace_ingress_failed_total", "Messages given back to SQS, or left there", ["queue"])

Prepare = Callable[[SqsMessage], Prepared]


class Intake:
    """One queue of SQS on its way in: how its messages are prepared, and through which sender they go."""

    def __init__(self, queue: SqsQueue, prepare: Prepare, sender: BulkSender) -> None:
        self.queue = queue
        self._prepare = prepare
        self._sender = sender

    def settle(self, messages: Sequence[SqsMessage], came: float) -> int:
        """Settle what was received at `came` (monotonic); returns how many are done. Raises what SQS raises.

        A message is deleted only after its confirm. One that raises what nobody expected goes back by itself.
        """
        RECEIVED.labels(self.queue.name).inc(len(messages))
        ready = self._prepared(messages)
        results = self._sender.send([each.message for _, each in ready], came + INGRESS_BEGIN_SECONDS) if ready else []
        done = [one for one, result in zip(ready, results, strict=True) if result is None]
        self._count([each for _, each in done])
        if done:
            self.queue.delete([message for message, _ in done])
        if len(done) < len(messages):
            handles = {message["ReceiptHandle"] for message, _ in done}
            self._return([m for m in messages if m["ReceiptHandle"] not in handles], results)
        return len(done)

    def give_back(self, messages: Sequence[SqsMessage]) -> None:
        """Give back what was not begun; others may take it at once."""
        self.queue.give_back(messages, at_once=True)

    def _prepared(self, messages: Sequence[SqsMessage]) -> list[tuple[SqsMessage, Prepared]]:
        ready = []
        for message in messages:
            try:
                ready.append((message, self._prepare(message)))
            except Exception:  # a bug that one message meets must not stop the others
                log.exception("a message could not be read", queue=self.queue.name, sqs_id=message.get("MessageId"))
        return ready

    def _count(self, done: Sequence[Prepared]) -> None:
        letters = [each for each in done if each.cause is not None]
        ACCEPTED.labels(self.queue.name).inc(len(done) - len(letters))
        REJECTED.labels(self.queue.name).inc(len(letters))
        for each in letters:
            id_ = each.message.message_id or None
            log.warning("rejected", queue=self.queue.name, event_id=id_, cause=each.cause, error=each.error)

    def _return(self, messages: Sequence[SqsMessage], results: Sequence[PublishError | None]) -> None:
        FAILED.labels(self.queue.name).inc(len(messages))
        error = next((str(result) for result in results if result is not None), "they could not be read")
        log.warning("given back", queue=self.queue.name, messages=len(messages), error=error[:500])
        self.queue.give_back(messages)


def receive_and_settle(intake: Intake, wait: int, stopping: Callable[[], bool]) -> tuple[int, int]:
    """One batch; how many messages came and how many are done. What comes to a stopping ingress goes back."""
    messages = intake.queue.receive(wait)
    came = time.monotonic()
    if messages and stopping():
        intake.give_back(messages)
        return len(messages), len(messages)
    return len(messages), intake.settle(messages, came) if messages else 0
