"""Settings of SQS and Lambda derived from declared runtimes; the counterpart of millrace.derived."""

import math
from dataclasses import dataclass

from millrace.derived import MARGIN_SECONDS, SEND_SECONDS, STORE_SECONDS, sending_bound
from millrace.functions import LambdaGroup, PlainFunction

#: What SQS gives and takes at a time, and how long it lets a reader wait for a message (long polling).
SQS_BATCH = 10
LONG_POLL_SECONDS = 20
#: Messages wait so long in SQS: its longest, 14 days.
SQS_RETENTION_SECONDS = 14 * 24 * 3600
#: The longest that a message may be hidden from other readers (SQS).
LONGEST_VISIBILITY_SECONDS = 12 * 3600
#: A message that the ingress has received is checked, sent to RabbitMQ, confirmed and deleted within this, or comes
#: again: sending is over sooner, and so is each of two calls of SQS.
SQS_CALL_SECONDS = 5.0
INGRESS_VISIBILITY_SECONDS = math.ceil(sending_bound(SEND_SECONDS) + 2 * SQS_CALL_SECONDS + SEND_SECONDS)
#: So long after it has come, at the latest, the ingress begins to send a message; later it gives it back. Sending and
#: deleting are then over before the message is visible to others.
INGRESS_BEGIN_SECONDS = INGRESS_VISIBILITY_SECONDS - sending_bound(SEND_SECONDS) - SQS_CALL_SECONDS
#: How long an empty queue is waited on: a stopping ingress waits for its polls to end, for who waits is given messages.
INGRESS_POLL_SECONDS = 5
#: The ingress looks into all dead-letter queues so often: nobody waits for what is in them.
DEAD_LOOK_SECONDS = 10.0
#: Only the last net, for what ends the ingress each time: it takes nothing from SQS while RabbitMQ is out.
INGRESS_MAX_RECEIVES = 100
#: Lambda's longest time-out.
LAMBDA_SECONDS = 900
#: AWS: the visibility time-out of a function's queue should be six times the function's time-out.
VISIBILITY_FACTOR = 6
#: A throttled function counts as received: the queue's limit is so much higher than the attempts that we count.
RECEIVES_PER_ATTEMPT = 10
#: Events of a function are late, and worth an alarm, when the oldest has waited for so long.
LATE_SECONDS = 300
#: Log lines of functions are kept for so long, in days (one of the numbers that CloudWatch takes).
LOG_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class FunctionTiming:
    """What a function's Lambda and queue are set to; times in seconds."""

    #: events given to one call, run one after the other
    batch: int
    timeout: int
    #: another call may take an event over; longer than a call can live
    lease: float
    visibility: int
    max_receives: int


def function_timing(group: LambdaGroup) -> FunctionTiming:
    """The settings of a group's function: a batch ends within its time-out, that within lease and visibility."""
    each = group.longest_runtime.total_seconds() + 2 * STORE_SECONDS
    batch = max(1, min(SQS_BATCH, int((LAMBDA_SECONDS - MARGIN_SECONDS) // each)))
    timeout = math.ceil(batch * each + MARGIN_SECONDS)
    return FunctionTiming(
        batch=batch,
        timeout=timeout,
        lease=float(timeout + STORE_SECONDS),
        visibility=min(VISIBILITY_FACTOR * timeout, LONGEST_VISIBILITY_SECONDS),
        max_receives=min(1_000, RECEIVES_PER_ATTEMPT * group.retry.attempts),
    )


def plain_visibility(function: PlainFunction) -> int:
    """The visibility time-out, in seconds, of the queue that feeds a plain function where Lambda is not there."""
    return min(VISIBILITY_FACTOR * math.ceil(function.timeout.total_seconds()), LONGEST_VISIBILITY_SECONDS)
