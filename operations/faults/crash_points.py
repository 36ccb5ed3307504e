"""Crash points: a process ends by `os._exit`, or stops, at a named step between claim, effect, commit and ack."""

from __future__ import annotations

import functools
import importlib
import os
import random
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from operations.faults.armed import CRASH_VARIABLE, CRASHED

#: While this file is not in the orders' directory, nothing crashes.
GO = "go"
#: What one takes that gorges, at most and at once; a machine without a limit must survive it.
MOST_MIB, PIECE_MIB = 1024, 16

#: Those whose workers come to the steps; `second` has a lane.
GROUPS = ("first", "second", "caller")
How = Literal["crash", "freeze", "gorge"]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A step of a process, and whether it ends before or after it.

    Attributes:
        process: the name of a group, else of the process.
        place: module:attribute, or module:class.attribute, of the function that is the step.
        behaviour: what the load must do so that the step is reached.
    """

    name: str
    process: str
    place: str
    before: bool = False
    behaviour: Mapping[str, float] = field(default_factory=dict)

    @property
    def in_group(self) -> bool:
        """Whether a group's worker takes the step."""
        return self.process in GROUPS

    @property
    def in_lane(self) -> bool:
        """Whether a group's worker takes the step itself, not a process of its pool."""
        return self.place.startswith("workers.lane.")

    @property
    def of_any_handler(self) -> bool:
        """Whether a worker comes to the step whatever its handlers are."""
        return self.in_group and not self.behaviour and not self.place.startswith("operations.")


#: Where all is done but the commit: who stands still here, or takes too much, has everything to lose.
BEFORE_COMMIT = "the handler has ended, nothing is committed"
_FAILING = {"fails once": 0.3}
POINTS = (
    Point(name="before the claim", process="first", place="workers.execution:Execution._claim", before=True),
    Point(name="after the claim", process="first", place="workers.execution:Execution._claim"),
    Point(name="in the handler", process="first", place="workers.work:UnitOfWork.publish"),
    Point(name="before the effects", process="caller", place="workers.work:UnitOfWork.flush", before=True),
    Point(name="after the effects, before the outcome", process="caller", place="workers.work:UnitOfWork.flush"),
    Point(
        name=BEFORE_COMMIT,
        process="caller",
        place="workers.execution:Execution._complete",
        before=True,
    ),
    Point(name="after the outcome, before the commit", process="caller", place="workers.inbox:complete"),
    Point(name="after the commit, before the ack", process="first", place="workers.execution:Execution._complete"),
    Point(
        name="lane: handlers have ended, nothing is in the database",
        process="second",
        place="workers.lane.transaction:Transactions.send",
        before=True,
    ),
    Point(name="lane: all is written, before the commit", process="second", place="workers.lane.transaction:_written"),
    Point(
        name="lane: the commit is sent, not answered",
        process="second",
        place="workers.lane.transaction:Transactions.send",
    ),
    Point(
        name="lane: after the commit, before the acks",
        process="second",
        place="workers.lane.acks:Acks.ack",
        before=True,
    ),
    Point(
        name="before a retry is sent",
        process="first",
        place="workers.execution:Execution._send",
        before=True,
        behaviour=_FAILING,
    ),
    Point(
        name="after a retry was sent", process="first", place="workers.execution:Execution._send", behaviour=_FAILING
    ),
    Point(
        name="after the intent of a call",
        process="caller",
        place="operations.faults.sample_handlers.caller:count",
        before=True,
    ),
    Point(
        name="after a call, before its outcome",
        process="caller",
        place="operations.faults.sample_handlers.caller:count",
    ),
    Point(
        name="relay: before publishing", process="relay", place="millrace.publishing.sender:Sender.send", before=True
    ),
    Point(name="relay: published, not marked", process="relay", place="millrace.publishing.sender:Sender.send"),
    Point(name="keeper: before storing", process="keeper", place="workers.keeper:store", before=True),
    Point(name="keeper: stored, not acked", process="keeper", place="amqp:Channel.basic_ack", before=True),
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """To end at a point, so often, with so much chance each time; `directory` counts.

    `how`: it crashes, or freezes (SIGSTOP) until somebody lets it go on, or gorges until it has no memory left.
    """

    point: str
    count: int
    chance: float
    directory: Path
    how: How = "crash"

    def as_environment(self) -> dict[str, str]:
        """For a process's environment."""
        return {CRASH_VARIABLE: f"{self.point}|{self.count}|{self.chance}|{self.how}|{self.directory}"}

    @classmethod
    def parse(cls, text: str) -> Order:
        """From an environment variable."""
        point, count, chance, how, directory = text.split("|")
        place = Path(directory)
        return cls(point=point, count=int(count), chance=float(chance), directory=place, how=cast("How", how))

    @property
    def done(self) -> int:
        """How many crashes there were."""
        return sum(1 for each in self.directory.iterdir() if each.name != GO)

    def take(self) -> bool:
        """Whether to crash now; each crash is taken once, whichever process comes first."""
        if not (self.directory / GO).exists() or random.random() >= self.chance:  # noqa: S311 (nothing secret)
            return False
        for number in range(self.count):
            try:
                (self.directory / str(number)).touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False


def arm(text: str) -> Point:
    """Make this process, and what it forks, crash as ordered; raises StopIteration if there is no such point."""
    order = Order.parse(text)
    point = next(point for point in POINTS if point.name == order.point)

    def crash() -> None:
        if not order.take():
            return
        if order.how == "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif order.how == "gorge":
            gorge()
        else:
            os._exit(CRASHED)

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def step(*args: Any, **kwargs: Any) -> Any:
            if point.before:
                crash()
            result = original(*args, **kwargs)
            if not point.before:
                crash()
            return result

        return step

    replace(point.place, around)
    return point


def gorge() -> None:
    """Take memory until the kernel ends this process; raises MemoryError if it lets it have far too much."""
    taken = []
    for _ in range(MOST_MIB // PIECE_MIB):
        taken.append(b"x" * (PIECE_MIB * 2**20))
    raise MemoryError(f"this process must be ended by the kernel, got {len(taken) * PIECE_MIB} MiB")


def replace(place: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put something around a function, given as module:attribute or module:class.attribute."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, name, around(getattr(owner, name)))
