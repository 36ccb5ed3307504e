"""`python -m operations.local.scaler DIRECTORY`: says how many workers each group of the local stack is to have.

It only says: the supervisor starts and ends them. While the broker is out, or this process, the numbers stay.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import structlog
from millrace.declarations import WorkerGroup
from millrace.derived import polling
from millrace.scaling import Damping, Load, Scale, scale_of, wanted

from operations.local.layout import Layout
from operations.local.loads import BROKER_ERRORS, Sleepers, statistics
from operations.local.numbers import SCALER, Number, WrongNumbers, read_by_hand, read_numbers, write_numbers
from workers.environment import SettingsError
from workers.service import run_service
from workers.settings import Settings
from workers.troubles import Troubles

log = structlog.get_logger("millrace.scaler")

#: How often the queues of groups that sleep are looked at, and what a person has set.
LOOK_SECONDS = 0.5
#: Gives the load of any group.
Loads = Callable[[str], Load]


@dataclass(kw_only=True)
class Scaled:
    """One group: how many workers it is to have, and when that is thought about again; times of one clock."""

    group: WorkerGroup
    scale: Scale
    number: Number
    damping: Damping = field(init=False)
    _due: float = 0.0

    def __post_init__(self) -> None:
        self.damping = Damping.of(self.group)

    def is_due(self, now: float) -> bool:
        """Whether the broker's statistics are to be looked at for it."""
        return now >= self._due and (self.number.number > 0 or self.number.by_hand)

    def think(self, load: Load, now: float) -> None:
        """Go by what its queue says; of what is set by hand, only the formula's number is noted."""
        current = self.number.number
        raw = wanted(load, self.scale, current)
        self._due = now + polling(self.group)
        if self.number.by_hand:
            self.number = replace(self.number, wanted=raw)
            return
        number = self.damping.damped(now, raw, current)
        if number != current:
            said = {"ready": load.ready, "unacknowledged": load.unacknowledged, "rate": load.rate, "wanted": raw}
            log.info("scaled", group=self.group.name, replicas=number, before=current, **said)
        self.number = Number(number=number, wanted=raw)

    def bound(self, by_hand: int | None, now: float) -> None:
        """Do as a person has said, else keep within what is declared; after a person, go by the formula from there."""
        if by_hand is not None:
            self.number = replace(self.number, number=min(by_hand, self.scale.largest), by_hand=True)
            return
        number = min(max(self.number.number, self.scale.smallest), self.scale.largest)
        if self.number.by_hand or number != self.number.number:
            self.number = Number(number=number, wanted=self.number.wanted)
            self.begin(now)

    def begin(self, now: float) -> None:
        """Take what there is for wanted just now: none of it ends before its cool-down is over."""
        self.damping = Damping.of(self.group)
        self.damping.damped(now, self.number.number, self.number.number)


class Scaler:
    """All groups of a stack; whatever fails is said once, and tried again at the next look."""

    def __init__(self, groups: Iterable[WorkerGroup], settings: Settings, layout: Layout) -> None:
        lanes, now = settings.inbox_url is None, time.monotonic()
        self._layout = layout
        self._by_hand: Mapping[str, int] = {}
        self._troubles = Troubles(SCALER)
        self._written: Mapping[str, Number] | None = None
        before: Mapping[str, Number] = {}
        with self._going_on("read the numbers of before"):
            before = read_numbers(layout)
        self._groups = [
            Scaled(
                group=group,
                scale=scale_of(group, settings.concurrency, lanes=lanes),
                number=before.get(group.name, Number(number=group.replicas[0], wanted=group.replicas[0])),
            )
            for group in groups
        ]
        for each in self._groups:
            each.begin(now)

    def turn(self, awake: Callable[[Iterable[str]], Mapping[str, Load]], read: Callable[[], Loads]) -> None:
        """One look: at what a person has set, at groups asleep, and at those whose time it is."""
        now = time.monotonic()
        with self._going_on("read what is set by hand"):
            self._by_hand = read_by_hand(self._layout)
        for each in self._groups:
            each.bound(self._by_hand.get(each.group.name), now)
        self._write()
        asleep = {each.group.name: each for each in self._groups if each.number.number == 0 and not each.number.by_hand}
        with self._going_on("ask the queues of groups asleep"):
            for name, load in awake(asleep).items():
                asleep[name].think(load, now)
        self._write()
        due = [each for each in self._groups if each.is_due(now)]
        with self._going_on("read the broker's statistics"):
            load_of = read() if due else None
            for each in due:
                assert load_of is not None
                each.think(load_of(each.group.name), now)
        self._write()

    def _write(self) -> None:
        numbers = {each.group.name: each.number for each in self._groups}
        if numbers != self._written or not self._layout.numbers.exists():
            with self._going_on("write the numbers"):
                write_numbers(self._layout, numbers)
                self._written = numbers

    @contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        try:
            yield
        except (*BROKER_ERRORS, WrongNumbers) as error:
            self._troubles.note(what, error)
        else:
            self._troubles.over(what)


def run(layout: Layout, settings: Settings, stopping: threading.Event) -> None:
    """Keep saying until stopping; raises SettingsError."""
    if settings.monitoring_url is None:
        raise SettingsError("MILLRACE_MONITORING_URL must be set")
    scaler, sleepers = Scaler(settings.load_catalog().groups, settings, layout), Sleepers(settings.broker_url)
    try:
        while not stopping.wait(LOOK_SECONDS):
            scaler.turn(sleepers.awake, partial(statistics, settings.monitoring_url, settings.vhost))
    finally:
        sleepers.close()


if __name__ == "__main__":
    sys.exit(run_service(SCALER, partial(run, Layout(Path(sys.argv[1])))))
