"""The guard: nothing that arrives on a queue stops a worker, and nothing that is wrong is lost.

Celery acks malformed JSON, and exits on odd headers and bodies (reliability findings, celery #1113, #1825): so each
message is checked here first, and what Celery then sees was written by us.
"""

import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import structlog
from celery import Celery
from celery.worker.consumer import Consumer
from kombu import compression
from kombu.message import Message as IncomingMessage
from millrace import names
from millrace.declarations import WorkerGroup
from millrace.derived import memory_bound
from millrace.errors import InvalidEvent, PublishError, UnknownSchemaVersion
from millrace.publishing.message import Message

from workers.lane.entry import Entry, is_fresh
from workers.lane.step import Lane
from workers.liveness import WatchedConsumer
from workers.newer import Newer
from workers.outgoing import Failure, dead_letter, delayed, short_id
from workers.received import Delivery, Received, body_bytes, celery_request, receive, trusted_users
from workers.runtime import Runtime

log = structlog.get_logger("millrace.guard")

#: Celery's own declaring of delay levels is not for us: Pulumi has made them (and Celery would log that it failed).
STEPS = [step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step]

#: Celery's events for Flower wait so long for others: one by one they cost a third of the worker's loop.
TELL_SECONDS = 0.2

#: What the app that made the worker sets; the consumer finds its runtime there.
RUNTIME_KEY = "millrace_runtime"


class GuardedConsumer(WatchedConsumer):
    """The watched consumer, which hands on only what the guard has accepted and written anew."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """Celery's steps but one."""

        default_steps = STEPS

    #: when Celery's events may be sent again
    _tell_at = 0.0
    #: the step that runs short handlers in batches, where the group has one (workers.lane)
    lane: Lane | None = None

    def __init__(self, *args: Any, app: Celery, **kwargs: Any) -> None:
        self.runtime: Runtime = app.conf[RUNTIME_KEY]
        self.group = self.runtime.group.name
        self.queue = names.group_queue(self.group)
        self.longest_task = self.runtime.timing.grace
        self.memory = memory_bound(self.runtime.group, self.runtime.processes)
        super().__init__(*args, app=app, **kwargs)

    def on_send_event_buffered(self) -> None:
        """Have Celery's events sent a moment later, all that there are by then (Celery sends them at each turn).

        No flag says that they are due: timers do not outlive their connection.
        """
        now = time.monotonic()
        if self.hub and now >= self._tell_at:
            self._tell_at = now + TELL_SECONDS
            self.hub.call_later(TELL_SECONDS, self._flush_events)

    def stop(self) -> None:
        """Stop; what has happened until then is told."""
        self._flush_events()
        super().stop()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[IncomingMessage], None]:
        """Wrap Celery's own handler of messages."""
        self._to_pool = super().create_task_handler(*args, **kwargs)
        self.guard = Guard(self.runtime, self.alive)
        return self._on_message

    def _on_message(self, message: IncomingMessage) -> None:
        self.came += 1
        lane = self.lane
        if lane is not None:
            lane.acks.arrived(message.delivery_tag, message)
        with self._surviving(message):
            received = self.guard.accept(message)
            if received is None:
                return
            if lane is not None and is_fresh(message, received):
                lane.take(Entry(message.delivery_tag, received, message))
            else:
                self.run_singly(message, received)

    def run_singly(self, message: IncomingMessage, received: Received) -> None:
        """Hand an event to the pool, where it is claimed before its handler runs, in a process that can be killed."""
        with self._surviving(message):
            self.guard.rewrite(message, received)
            self._to_pool(message)

    @contextmanager
    def _surviving(self, message: IncomingMessage) -> Iterator[None]:
        """An error of the guard itself must not stop the worker: its message goes to the dead letters."""
        try:
            yield
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception as error:
            self.guard.give_up(message, error)

    def on_decode_error(self, message: IncomingMessage, exc: Exception) -> None:
        """Take what cannot be decoded to the dead letters (Celery would ack it away)."""
        with self._surviving(message):
            self.guard.bury(message, InvalidEvent("message", f"cannot be decoded: {exc}"))


def refuse_compression() -> None:
    """Make kombu refuse compressed bodies, which it would inflate to any size before anyone looks at them."""
    for content_type in compression.encoders():
        compression.register(_refuse, _refuse, content_type)


def _refuse(_body: bytes) -> bytes:
    raise ValueError("compressed messages are refused")


class Guard:
    """Decides for one group, for each message: to Celery, to a delay, or to the dead letters."""

    def __init__(self, runtime: Runtime, alive: Callable[[], None]) -> None:
        self._runtime = runtime
        self._alive = alive
        self._group: WorkerGroup = runtime.group
        self._trusted = trusted_users(runtime.catalog, runtime.settings.vhost)
        self._newer = Newer(runtime.catalog, runtime.group)
        self._handled = {payload.event_type for payload in (*self._group.handles, *self._group.tasks)}

    def admit(self, message: IncomingMessage) -> bool:
        """Rewrite an accepted message for Celery and return True; else settle it and return False."""
        received = self.accept(message)
        if received is not None:
            self.rewrite(message, received)
        return received is not None

    def accept(self, message: IncomingMessage) -> Received | None:
        """The event of a message that is to run now; None for any other, which is settled."""
        delivery = delivery_of(message)
        try:
            received = receive(delivery, self._runtime.catalog, self._trusted)
            if received.envelope.type not in self._handled:
                raise InvalidEvent("type", f"{received.envelope.type} is not handled by {self._group.name}")
        except InvalidEvent as error:
            later = self._newer.later(delivery, str(message.delivery_info.get("routing_key")), error)
            if later is None:
                self.bury(message, error)
            else:
                log.warning("waiting for another release", group=self._group.name, problem=error.field)
                self._settle(message, later, requeue=True)
            return None
        return None if self._too_early(message, received) else received

    def usual(self, delivery: Delivery) -> Received | None:
        """The event of a message with which nothing is wrong; None if it must be looked at by `accept`."""
        try:
            received = receive(delivery, self._runtime.catalog, self._trusted)
        except Exception:  # it is met again where it is told of
            return None
        return received if received.eta is None and received.envelope.type in self._handled else None

    def rewrite(self, message: IncomingMessage, received: Received) -> None:
        """Make a message the Celery task that runs its event."""
        headers, body = celery_request(received, self._group.name, begun=not is_fresh(message, received))
        message.headers = headers
        message.body = body
        message._decoded_cache = None
        message.content_type, message.content_encoding = "application/json", "utf-8"
        message.properties["correlation_id"] = headers["id"]
        message.properties.pop("reply_to", None)

    def _too_early(self, message: IncomingMessage, received: Received) -> bool:
        """Send a message with an `eta` to come to its delay, so that no worker holds it in memory."""
        if received.eta is None:
            return False
        early = (received.eta - datetime.now(UTC)).total_seconds()
        if early < 1:
            return False
        later = delayed(
            received.envelope, self._group.name, seconds=round(early), generation=received.generation, begun=False
        )
        self._settle(message, later, requeue=True)
        return True

    def bury(self, message: IncomingMessage, error: InvalidEvent) -> None:
        """Take a message, its bytes unchanged, to the dead letters with the reason."""
        delivery = delivery_of(message)
        cause = _cause(error)
        failure = Failure(cause=cause, error=str(error), worker=f"{self._group.name}@{socket.gethostname()}")
        log.warning("invalid", group=self._group.name, cause=cause, field=error.field, error=error.problem)
        letter = dead_letter(
            self._group.name,
            failure,
            body=delivery.body,
            content_type=delivery.content_type,
            message_id=short_id(str(delivery.properties.get("message_id") or "")),
            headers={name: value for name, value in delivery.headers.items() if name != "x-death"},
            letter_key=uuid.uuid4().hex,
        )
        self._settle(message, letter, requeue=False)

    def _settle(self, message: IncomingMessage, instead: Message, *, requeue: bool) -> None:
        """Ack once the broker has confirmed what goes in the message's stead.

        Else a good message goes back to its queue, and a bad one is dead-lettered by the policy, without its reason.
        """
        try:
            self._runtime.sender.send_one(instead)
        except PublishError as error:
            log.error("not confirmed", group=self._group.name, requeue=requeue, error=str(error))
            message.reject(requeue=requeue)
        else:
            message.ack()
        self._alive()  # sending may have taken seconds

    def give_up(self, message: IncomingMessage, error: Exception) -> None:
        """Let the policy dead-letter a message that the guard itself failed on."""
        log.error("guard failed, message rejected to the dead letters", error=type(error).__name__)
        if not message.acknowledged:
            message.reject()


def _cause(error: InvalidEvent) -> str:
    if isinstance(error, UnknownSchemaVersion):
        return "unknown dataschema"
    return "expired" if error.field == "expires" else "invalid"


def delivery_of(message: IncomingMessage) -> Delivery:
    """The message as it came, whatever its header and properties are."""
    body = body_bytes(message.body)
    content_type = message.content_type if isinstance(message.content_type, str) else None
    headers = message.headers if isinstance(message.headers, dict) else {}
    exchange = str(message.delivery_info.get("exchange") or "")
    properties = message.properties or {}
    return Delivery(body=body, content_type=content_type, headers=headers, properties=properties, exchange=exchange)
