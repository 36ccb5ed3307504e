"""`python -m workers.egress`: sends what waits for AWS to SNS topics and to the queues of functions; run several.

A message is acked after AWS has taken it: what was killed in between is sent again, with the same id. While AWS is out,
what is in hand is tried again and again, and nothing else is taken. Events may overtake each other.
"""

import contextlib
import hashlib
import json
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

import amqp
import structlog
from millrace import names
from millrace.aws_messages import batches
from millrace.derived import HEARTBEAT_SECONDS, SEND_SECONDS, SILENCE_SECONDS
from millrace.errors import InvalidEvent
from millrace.publishing.addresses import connect_broker
from millrace.publishing.message import Message
from millrace.publishing.sender import Sender
from prometheus_client import Counter

from workers.aws_clients import aws_client
from workers.environment import SettingsError
from workers.outgoing import Failure, rejected_letter, short_id
from workers.outward import Addresses, Answer, AwsSender, Outward, Target
from workers.received import trusted_users
from workers.service import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, run_service
from workers.settings import Settings
from workers.troubles import Troubles
from workers.undecodable import delivery_of, keep_undecodable

log = structlog.get_logger("millrace.egress")

#: So many messages are in hand at most, and so many calls on their way.
PREFETCH = 500
CALLS = 8
_WAIT_SECONDS = 0.5
#: So long a batch waits for another message to come, and for all of them at most five times.
_GATHER_SECONDS = 0.01
REFUSED = "refused by AWS"

SENT = Counter("millrace_egress_sent_total", "Messages that AWS has taken", ["target"])
FAILED = Counter(
    "millrace_egress_failed_total", "Messages that AWS has not taken, and that are tried again", ["target"]
)
REJECTED = Counter("millrace_egress_rejected_total", "Messages that can never go out and became letters")


class Egress:
    """One connection that consumes what waits for AWS, and the calls that are on their way."""

    def __init__(self, settings: Settings, addresses: Addresses, aws: AwsSender) -> None:
        self._addresses = addresses
        self._aws = aws
        self._waiting: list[Outward] = []
        self._calls: dict[Future[list[Answer]], list[Outward]] = {}
        self._letters: dict[int, Message] = {}
        self._pauses: dict[Target, float] = {}
        self._not_before: dict[Target, float] = {}
        self._letters_after = 0.0
        self._troubles = Troubles("egress")
        self._pool = ThreadPoolExecutor(CALLS, thread_name_prefix="aws")
        self._sender = Sender(settings.broker_url, timeout=SEND_SECONDS)
        self._connection = connect_broker(
            settings.broker_url, connect_timeout=10, read_timeout=SILENCE_SECONDS, heartbeat=HEARTBEAT_SECONDS
        )
        self._channel = self._connection.channel()
        self._channel.basic_qos(0, PREFETCH, False)  # for each queue
        for queue in addresses.queues:
            self._channel.basic_consume(queue, callback=partial(self._came, queue), on_cancel=self._cancelled)

    def close(self) -> None:
        """Let what is on its way end and ack it; the rest goes back to the queue."""
        self._waiting.clear()
        wait(self._calls)
        with contextlib.suppress(OSError, amqp.AMQPError):
            self._settle()
            self._connection.close()
        self._sender.close()
        self._pool.shutdown()

    def turn(self) -> None:
        """Take what comes, send what is due, settle what was answered; raises what the broker raises."""
        self._receive(_GATHER_SECONDS if self._calls else _WAIT_SECONDS)
        until = time.monotonic() + 5 * _GATHER_SECONDS
        while time.monotonic() < until and self._receive(_GATHER_SECONDS):
            pass
        self._submit()
        self._settle()
        self._send_letters()
        self._connection.heartbeat_tick()

    def _receive(self, seconds: float) -> bool:
        try:
            self._connection.drain_events(timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _came(self, queue: str, message: amqp.Message) -> None:
        delivery = delivery_of(message, message.delivery_info["exchange"])
        tag, key = message.delivery_info["delivery_tag"], message.delivery_info["routing_key"]
        try:
            outward = self._addresses.outward(tag, queue, delivery)
        except InvalidEvent as error:
            self._reject(tag, key, delivery.body, str(message.properties.get("message_id", "")), "invalid", str(error))
            return
        if outward is None:
            self._channel.basic_ack(tag)
        else:
            self._waiting.append(outward)

    def _cancelled(self, tag: str) -> None:
        raise ConnectionError(f"the broker cancelled consumer {tag}: its queue was deleted or moved")

    def _submit(self) -> None:
        """Send batches of what waits, as many as there are calls free; a target in trouble waits for its time."""
        free = CALLS - len(self._calls)
        if not free:
            return
        now = time.monotonic()
        due = [one for one in self._waiting if self._not_before.get(one.target, 0.0) <= now]
        found = batches(due, target=lambda one: one.target, text=lambda one: one.text.encode())
        for batch in found[:free]:
            self._calls[self._pool.submit(self._aws.send, batch)] = batch
        sent = {one.tag for batch in found[:free] for one in batch}
        self._waiting = [one for one in self._waiting if one.tag not in sent]

    def _settle(self) -> None:
        for call in [call for call in self._calls if call.done()]:
            batch = self._calls.pop(call)
            error = call.exception()
            answers = [Answer(problem=f"{type(error).__name__}: {error}")] * len(batch) if error else call.result()
            again = [one for one, answer in zip(batch, answers, strict=True) if self._tried(one, answer)]
            problem = next((answer.problem for answer in answers if answer.problem and not answer.never), None)
            self._pace(batch[0].target, again, problem)

    def _tried(self, one: Outward, answer: Answer) -> bool:
        """Ack what AWS has, make a letter of what it will never take; whether it must be tried again."""
        if answer.problem is None:
            SENT.labels(one.target.name).inc()
            self._channel.basic_ack(one.tag)
        elif answer.never:
            self._reject(one.tag, one.attributes["type"], one.text.encode(), one.event_id, REFUSED, answer.problem)
        return answer.problem is not None and not answer.never

    def _pace(self, target: Target, again: Sequence[Outward], problem: str | None) -> None:
        """What has failed waits in hand, longer each time; so it is neither lost nor taken and given back for ever."""
        if problem is None:
            self._pauses.pop(target, None)
            self._troubles.over(target.name)
            return
        FAILED.labels(target.name).inc(len(again))
        self._troubles.note(target.name, problem)
        pause = self._pauses.get(target, FIRST_PAUSE_SECONDS)
        self._pauses[target] = min(pause * 2, LONGEST_PAUSE_SECONDS)
        self._not_before[target] = time.monotonic() + pause
        self._waiting.extend(again)

    def _reject(self, tag: int, key: str, body: bytes, event_id: str, cause: str, error: str) -> None:
        log.warning("rejected", event_id=event_id or None, cause=cause, error=error)
        mark = hashlib.sha256(json.dumps([names.OUTWARD, key, event_id]).encode() + body).hexdigest()
        self._letters[tag] = rejected_letter(
            Failure(cause=cause, error=error),
            body=body,
            routing_key=key,
            message_id=short_id(event_id),
            source=None,
            headers={"queue": names.OUTWARD},
            letter_key=mark,
        )

    def _send_letters(self) -> None:
        """Send the letters, and ack what they are of once they are confirmed; the others wait for the next try."""
        if not self._letters or time.monotonic() < self._letters_after:
            return
        sending = dict(self._letters)
        for tag, problem in zip(sending, self._sender.send(list(sending.values())), strict=True):
            if problem is None:
                REJECTED.inc()
                del self._letters[tag]
                self._channel.basic_ack(tag)
        if self._letters:
            self._letters_after = time.monotonic() + LONGEST_PAUSE_SECONDS
            log.warning("letters are not confirmed", letters=len(self._letters))


def run(settings: Settings, stopping: threading.Event) -> None:
    """Send until stopping; raises what the broker raises, and SettingsError if AWS's place is not told."""
    if settings.aws_region is None or settings.aws_account is None:
        raise SettingsError("MILLRACE_AWS_REGION and MILLRACE_AWS_ACCOUNT must be set")
    keep_undecodable()
    catalog, vhost = settings.load_catalog(), settings.vhost
    trusted = trusted_users(catalog, vhost)
    addresses = Addresses(catalog, vhost, settings.aws_region, settings.aws_account, trusted)
    with (
        contextlib.closing(aws_client(settings, "sns", connections=CALLS)) as sns,
        contextlib.closing(aws_client(settings, "sqs", connections=CALLS)) as sqs,
        contextlib.closing(Egress(settings, addresses, AwsSender(sns, sqs))) as egress,
    ):
        while not stopping.is_set():
            egress.turn()


if __name__ == "__main__":
    sys.exit(run_service("egress", run))
