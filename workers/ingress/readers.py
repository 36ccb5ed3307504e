"""Who reads the queues: one thread each, which waits in a long poll, and helpers in common for those that are busy.

A thread in a long poll costs a stack and a connection, and no CPU: with 200 event types there are 200 that sleep in
their sockets, at 40 calls a second in all (measured: 7 % of a core, 110 MB). What costs CPU is work, and that is
bounded: a queue that gives full batches gets helpers as long as there are any, and each has one batch in hand. Fewer
threads with shorter polls would ask more often, and find later.
"""

import threading
import time
from collections.abc import Sequence

import structlog
from millrace.aws_derived import DEAD_LOOK_SECONDS, INGRESS_POLL_SECONDS, SQS_BATCH

from workers.ingress.sending import BulkSender
from workers.ingress.settling import Intake, receive_and_settle
from workers.service import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from workers.troubles import Troubles

log = structlog.get_logger("millrace.ingress")

#: So many batches are in hand for busy queues, beside one of each queue.
HELPERS = 12
#: A stopping process ends within this, whatever SQS and RabbitMQ do: its supervisor kills it 2 seconds later.
STOP_SECONDS = 18.0
_GATE_SECONDS = 0.5
#: A signal that another thread was given does not wake the main thread: it must look.
_LOOK_SECONDS = 0.2


class Readers:
    """Reads every queue until stopping; the dead-letter queues in turn, by one thread."""

    def __init__(
        self, live: Sequence[Intake], dead: Sequence[Intake], sender: BulkSender, stopping: threading.Event
    ) -> None:
        self._dead = dead
        self._sender = sender
        self._stopping = stopping
        self._troubles = Troubles("ingress")
        self._helpers = threading.Semaphore(HELPERS)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._read, args=(intake,), daemon=True) for intake in live]
        self._threads.append(threading.Thread(target=self._look_at_dead, name="dead", daemon=True))

    def run(self) -> bool:
        """Read until stopping, then let what is in hand end; False if something is left that did not end in time."""
        for thread in tuple(self._threads):
            thread.start()
        # Not as the readers wait: that this thread comes round does not show that one of them does.
        while not threading.Event.wait(self._stopping, _LOOK_SECONDS):
            pass
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._alive():
            thread.join(max(0.0, deadline - time.monotonic()))
        left = len(self._alive())
        if left:
            log.warning("not all ended in time; what they have comes again", threads=left)
        return not left

    def _alive(self) -> list[threading.Thread]:
        with self._lock:
            return [thread for thread in self._threads if thread.is_alive()]

    def _read(self, intake: Intake) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            if self._turn(intake, INGRESS_POLL_SECONDS) is not None:
                pause = FIRST_PAUSE_SECONDS
                continue
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _turn(self, intake: Intake, wait: int) -> int | None:
        """One batch, once RabbitMQ takes messages: how many messages it had, None if that went wrong."""
        if not self._sender.wait_open(_GATE_SECONDS):
            return 0
        try:
            came, done = receive_and_settle(intake, wait, self._stopping.is_set)
        except Exception as error:  # an outage, or one queue that is not there: the others go on
            self._troubles.note(intake.queue.name, error)
            return None
        self._troubles.over(intake.queue.name)
        if came == SQS_BATCH and done:
            self._call_a_helper(intake)
        return came if done or not came else None

    def _call_a_helper(self, intake: Intake) -> None:
        """A full batch: there may be more than one reader can take. Those who help call others."""
        if self._stopping.is_set() or not self._helpers.acquire(blocking=False):
            return
        thread = threading.Thread(target=self._help, args=(intake,), daemon=True)
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive() or one.ident is None]
            try:
                thread.start()
            except RuntimeError as error:  # no more threads to be had: the queue's own reader goes on alone
                self._helpers.release()
                self._troubles.note("helpers", error)
                return
            self._troubles.over("helpers")
            self._threads.append(thread)

    def _help(self, intake: Intake) -> None:
        try:
            while not self._stopping.is_set() and self._turn(intake, 0):
                pass
        finally:
            self._helpers.release()

    def _look_at_dead(self) -> None:
        """Empty the dead-letter queues, one after the other; what a look misses, another one finds."""
        while not self._stopping.is_set():
            began = time.monotonic()
            for intake in self._dead:
                while not self._stopping.is_set() and self._turn(intake, 0):
                    pass
            self._stopping.wait(max(0.0, began + DEAD_LOOK_SECONDS - time.monotonic()))
