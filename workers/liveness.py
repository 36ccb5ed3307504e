"""A worker that runs but does not consume ends with a reason: who supervises it starts it again.

Celery does not notice a queue that was deleted in its first second, a consumer that was lost over a reconnect, a pool
that takes no more tasks (celery #7276, #8030, #9191). So the loop asks the broker about its own queue now and then,
and a watchdog looks whether the loop still turns, from the connection on.
"""

import os
import threading
import time
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog
from amqp import exceptions, spec
from celery.exceptions import WorkerShutdown
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu import Connection
from millrace.derived import LOOK_SECONDS, LOOP_STUCK_SECONDS, NOT_CONSUMING_SECONDS, SEND_SECONDS, SILENCE_SECONDS

from workers import memory
from workers.probes import Pulse
from workers.watchdog import EX_STUCK, Watchdog

log = structlog.get_logger("millrace.worker")

#: This worker's, for probes. Looks may fail for as long as a silent broker goes unnoticed.
PULSE = Pulse(turns_within=LOOP_STUCK_SECONDS, looks_within=SILENCE_SECONDS + LOOP_STUCK_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What broker and worker say at one moment (seconds): messages that wait, consumers; messages that came, tasks."""

    at: float
    waiting: int
    consumers: int
    came: int
    in_hand: frozenset[int]


class Liveness:
    """Judges one look after another; `patience` and `longest_task` are in seconds, `prefetch` in messages."""

    def __init__(self, *, prefetch: int, longest_task: float, patience: float = NOT_CONSUMING_SECONDS) -> None:
        self._prefetch = prefetch
        self._longest_task = longest_task
        self._patience = patience
        self._last: Look | None = None
        self._known = self._served = self._moved = 0.0

    def trouble(self, look: Look) -> str | None:
        """Why this worker does not consume, once that has lasted; None as long as all may be well."""
        last, self._last = self._last, look
        busy = len(look.in_hand) >= self._prefetch
        if last is None or look.consumers:
            self._known = look.at
        if last is None or not look.waiting or look.came != last.came or busy:
            self._served = look.at
        if last is None or not look.in_hand or look.in_hand != last.in_hand:
            self._moved = look.at
        if look.at - self._known >= self._patience:
            return "the broker knows no consumer of its queue"
        if look.at - self._served >= self._patience:
            return f"{look.waiting} messages wait and none is delivered"
        if look.at - self._moved >= self._longest_task:
            return f"{len(look.in_hand)} tasks in hand and none has ended"
        return None


class WatchedConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer with a watchdog from each connection on, and looks at its own queue while it consumes."""

    #: the queue, the name of the group, and the seconds within which any task ends
    queue: str
    group: str
    longest_task: float
    #: what it may use, in MiB
    memory: int
    #: messages that came so far
    came = 0
    _watchdog: Watchdog | None = None
    _too_much = False

    def ensure_connected(self, connection: Connection) -> Connection:
        """Connect, which may take as long as the broker is out; from then on the loop is watched."""
        self._end_watch()
        PULSE.away("connecting to the broker")
        connected: Connection = super().ensure_connected(connection)
        self._watchdog = Watchdog(f"worker of {self.group}", LOOP_STUCK_SECONDS)
        self._watchdog.__enter__()
        return connected

    def stop(self) -> None:
        """Stop; how long the pool takes to end its tasks is nobody's trouble."""
        self._end_watch()
        PULSE.away("stopping")
        super().stop()

    def _end_watch(self) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.__exit__(None, None, None)

    def alive(self) -> None:
        """The loop has done something that may take seconds."""
        if self._watchdog is not None:
            self._watchdog.step("consuming")
            PULSE.turned()

    def register_with_event_loop(self, hub: Any) -> None:
        """Look at the queue every few seconds for as long as this connection lasts."""
        super().register_with_event_loop(hub)
        PULSE.working()  # the broker has taken the consumer on
        liveness = Liveness(prefetch=self.qos.value, longest_task=self.longest_task)
        hub.call_repeatedly(LOOK_SECONDS, self._look, liveness)

    def _look(self, liveness: Liveness) -> None:
        if self._watchdog is None:
            return  # stopping: timers go on while the pool ends its tasks
        self.alive()
        try:
            waiting, consumers = counts(self.task_consumer.channel, self.queue)
        except TimeoutError:
            PULSE.working()  # a slow broker; a silent one is told by the heartbeats
            return
        except exceptions.ChannelError as error:
            self._leave(f"its queue cannot be asked about: {error}")
        PULSE.working()
        in_hand = frozenset(id(request) for request in state.reserved_requests)
        now = time.monotonic()
        look = Look(at=now, waiting=waiting, consumers=consumers, came=self.came, in_hand=in_hand)
        trouble = liveness.trouble(look)
        if trouble is not None:
            self._leave(trouble)
        self._bound_memory()

    def _bound_memory(self) -> None:
        """End, as by SIGTERM, if it uses more than it may: who supervises it starts another (celery #4843)."""
        used = memory.used()
        before, self._too_much = self._too_much, used > self.memory
        if before and self._too_much:  # twice in a row: a peak is none of anybody's business
            log.warning("too much memory, ending", group=self.group, used=used, may_use=self.memory)
            self._end(0)

    def _leave(self, reason: str) -> None:
        log.critical("not consuming, ending", group=self.group, queue=self.queue, reason=reason)
        self._end(EX_STUCK)

    def _end(self, code: int) -> NoReturn:
        hard_end = threading.Timer(self.longest_task, os._exit, (EX_STUCK,))
        hard_end.daemon = True
        hard_end.start()
        raise WorkerShutdown(code)


def counts(channel: Any, queue: str) -> tuple[int, int]:
    """How many messages wait in a queue, and its consumers; raises TimeoutError if the broker is slow to answer."""
    passive: tuple[object, ...] = (0, queue, True, False, False, False, False, {})
    channel.send_method(spec.Queue.Declare, "BsbbbbbF", passive)
    _, waiting, consumers = channel.wait(spec.Queue.DeclareOk, timeout=SEND_SECONDS, returns_tuple=True)
    return waiting, consumers
