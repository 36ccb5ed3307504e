"""Each guard, switched off in this process: for the negative controls, which must then be red."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from celery.worker.consumer import Consumer
from kombu.message import Message as IncomingMessage
from millrace.derived import LaneSize
from millrace.errors import InvalidEvent
from sqlalchemy import Connection, update

from operations.faults.crash_points import replace
from workers import app, guard, inbox, tables, verdicts
from workers.execution import Execution
from workers.lane.acks import Acks
from workers.lane.claims import claim_all
from workers.received import receive
from workers.work import UnitOfWork

Original = Callable[..., Any]


def acks_late() -> None:
    """Celery acks a message before its task runs."""
    app.BASE["task_acks_late"] = False


def reject_on_worker_lost() -> None:
    """A message whose process died is not given back."""
    app.BASE["task_reject_on_worker_lost"] = False


def heartbeat() -> None:
    """A worker's connection has no heartbeat."""
    app.BASE["broker_heartbeat"] = 0


def small_prefetch() -> None:
    """A worker takes a hundred messages ahead for each process."""
    as_derived = vars(app)["prefetch_multiplier"]

    def hundred(lane: LaneSize | None, in_pool: int) -> int:
        return 100 if lane is None else int(as_derived(lane, in_pool))

    vars(app)["prefetch_multiplier"] = hundred


def no_inbox() -> None:
    """Every delivery may run, and leaves no record."""

    def claim(_connection: Connection, request: verdicts.Request) -> verdicts.Verdict:
        return verdicts.Claim(request=request, attempt=1, fence=1)

    for way in ("claim", "claim_first"):
        replace(f"workers.inbox:{way}", lambda _original: claim)
    replace("workers.inbox:complete", lambda _original: lambda *_arguments, **_named: None)


def no_lane_inbox() -> None:
    """A batch is committed whatever of it is on record already."""
    replace("workers.lane.transaction:_require_all", lambda _original: lambda *_arguments: None)
    replace("workers.lane.transaction:claim_all_or_fail", lambda _original: claim_all)


def lane_acks_early() -> None:
    """The lane acks a message as it comes; only where py-amqp has read it is not known yet whose it will be."""

    def arriving(original: Original) -> Original:
        def arrived(self: Acks, tag: int, message: IncomingMessage | None = None) -> None:
            original(self, tag, message)
            if message is None:
                self._channel.basic_ack(tag)

        return arrived

    def ack(self: Acks, tags: Iterable[int]) -> None:
        for tag in tags:
            if self._open.pop(tag) is not None:
                self._channel.basic_ack(tag)

    replace("workers.lane.acks:Acks.arrived", arriving)
    replace("workers.lane.acks:Acks.ack", lambda _original: ack)


def fence() -> None:
    """Whoever comes to the end of an attempt may complete it, overtaken or not."""

    def settle(connection: Connection, held: verdicts.Claim, values: dict[str, object]) -> None:
        connection.execute(update(tables.inbox).where(inbox._key(held.request)).values(**values))

    def complete(
        connection: Connection, held: verdicts.Claim, state: str, *, milliseconds: float, error: str | None = None
    ) -> None:
        settle(connection, held, {"state": state, "milliseconds": milliseconds, "error": error})

    replace("workers.inbox:_settle", lambda _original: settle)
    replace("workers.inbox:complete", lambda _original: complete)


def attempt_counting() -> None:
    """An attempt is always the first."""

    def around(decide: Original) -> Original:
        def never_exhausted(row: Any, request: verdicts.Request) -> verdicts.Verdict:
            verdict: verdicts.Verdict = decide(row, request)
            held = verdict.held if isinstance(verdict, verdicts.Exhausted) else verdict
            if isinstance(held, verdicts.Claim):
                return verdicts.Claim(request=request, attempt=1, fence=held.fence)
            return verdict

        return never_exhausted

    replace("workers.inbox:decide", around)


def guarded_consumer() -> None:
    """What the guard would refuse goes to Celery as it came, and so does what Celery makes of it."""
    _hand_on(_refused)
    replace("workers.guard:GuardedConsumer.on_decode_error", lambda _original: Consumer.on_decode_error)


def header_check() -> None:
    """A message in Celery's format goes to Celery as it came, headers and all."""
    _hand_on(lambda guarding, message: "task" in (message.headers or {}) and _refused(guarding, message))


def _refused(guarding: guard.Guard, message: IncomingMessage) -> bool:
    try:
        receive(guard.delivery_of(message), guarding._runtime.catalog, guarding._trusted)
    except InvalidEvent:
        return True
    return False


def _hand_on(unchecked: Callable[[guard.Guard, IncomingMessage], bool]) -> None:
    """Give Celery's own handler some messages without a look at them, and without a net below."""

    def around(_original: Original) -> Original:
        def create_task_handler(self: guard.GuardedConsumer, *arguments: Any, **named: Any) -> Original:
            inner = Consumer.create_task_handler(self, *arguments, **named)
            self.guard = guarding = guard.Guard(self.runtime, self.alive)

            def on_message(message: IncomingMessage) -> None:
                self.came += 1
                if unchecked(guarding, message) or guarding.admit(message):
                    inner(message)

            return on_message

        return create_task_handler

    replace("workers.guard:GuardedConsumer.create_task_handler", around)


def outbox() -> None:
    """What a handler publishes is sent after its transaction has committed."""
    sent: list[Any] = []

    def flush(_original: Original) -> Original:
        def without_outbox(self: UnitOfWork, connection: Connection) -> None:
            for deferred in self.statements:
                connection.execute(deferred.statement, deferred.parameters)
            sent.extend(message for message, _envelope in self.messages)

        return without_outbox

    def complete(original: Original) -> Original:
        def then_send(self: Execution, *arguments: Any, **named: Any) -> Any:
            report = original(self, *arguments, **named)
            while sent:
                self.runtime.sender.send_one(sent.pop())
            return report

        return then_send

    replace("workers.work:UnitOfWork.flush", flush)
    replace("workers.execution:Execution._complete", complete)


SWITCHES: dict[str, Callable[[], None]] = {
    "acks_late": acks_late,
    "reject_on_worker_lost": reject_on_worker_lost,
    "heartbeat": heartbeat,
    "small prefetch": small_prefetch,
    "inbox": no_inbox,
    "inbox of the lane": no_lane_inbox,
    "acks of the lane": lane_acks_early,
    "fence": fence,
    "attempt counting": attempt_counting,
    "guarded consumer": guarded_consumer,
    "header check": header_check,
    "outbox": outbox,
}


def switch_off(name: str) -> None:
    """Switch a guard off; raises KeyError if there is none of that name."""
    SWITCHES[name]()
