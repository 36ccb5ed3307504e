"""`python -m operations.local.scaler DIRECTORY`: says how many workers each group of the local stack is to have.

It only says: the supervisor starts and ends them. While the broker is out, or this process, the numbers stay.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
from millrace.declarations import WorkerGroup
from millrace.derived import HEARTBEAT_SECONDS, SEND_SECONDS, polling
from millrace.publishing.addresses import connect_broker
from millrace.scaling import Damping, Load, Scale, scale_of, wanted

from operations.local.layout import Layout
from operations.local.loads import Sleepers, statistics
from operations.local.numbers import Number, read_by_hand, read_numbers, write_numbers
from workers.environment import SettingsError
from workers.service import run_service
from workers.settings import Settings

log = structlog.get_logger("millrace.scaler")

#: Gives the load of any group.
Loads = Callable[[str], Load]

#: How often the queues of groups that sleep are looked at, and what a person has set.
LOOK_SECONDS = 0.5


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
        return self.number.number > 0 and now >= self._due

    def think(self, load: Load, now: float) -> None:
        """Go by what its queue says."""
        current = self.number.number
        raw = wanted(load, self.scale, current)
        number = self.damping.damped(now, raw, current, idle=load.is_nothing)
        self._due = now + polling(self.group)
        if number != current:
            said = {"ready": load.ready, "unacknowledged": load.unacknowledged, "rate": load.rate, "wanted": raw}
            log.info("scaled", group=self.group.name, replicas=number, before=current, **said)
        self.number = Number(number=number, wanted=raw)

    def set_by_hand(self, number: int | None, now: float) -> None:
        """Do as a person has said; None is to go by the formula (again), from where it is."""
        if number is not None:
            self.number = Number(number=min(number, self.scale.largest), wanted=self.number.wanted, by_hand=True)
        elif self.number.by_hand:
            self.number = Number(number=self.number.number, wanted=self.number.wanted)
            self.begin(now)

    def begin(self, now: float) -> None:
        """Take what there is for wanted just now: none of it ends before its cool-down is over."""
        self.damping = Damping.of(self.group)
        self.damping.damped(now, self.number.number, self.number.number, idle=False)


class Scaler:
    """All groups of a stack."""

    def __init__(self, groups: Iterable[WorkerGroup], settings: Settings, layout: Layout) -> None:
        before, lanes = read_numbers(layout), settings.inbox_url is None
        self._layout = layout
        self._written: Mapping[str, Number] | None = None
        self._groups = [
            Scaled(
                group=group,
                scale=scale_of(group, settings.concurrency, lanes=lanes),
                number=before.get(group.name, Number(number=group.replicas[0], wanted=group.replicas[0])),
            )
            for group in groups
        ]
        for each in self._groups:
            each.begin(time.monotonic())

    def turn(self, awake: Callable[[Iterable[str]], Mapping[str, Load]], read: Callable[[], Loads]) -> None:
        """One look: at what a person has set, at groups asleep, and at those whose time it is."""
        now, by_hand = time.monotonic(), read_by_hand(self._layout)
        for each in self._groups:
            each.set_by_hand(by_hand.get(each.group.name), now)
        automatic = [each for each in self._groups if not each.number.by_hand]
        woken = awake([each.group.name for each in automatic if each.number.number == 0])
        due = [each for each in automatic if each.is_due(now)]
        load = read() if due else None
        for each in automatic:
            if each.group.name in woken:
                each.think(woken[each.group.name], now)
            elif load is not None and each in due:
                each.think(load(each.group.name), now)
        self._write()

    def _write(self) -> None:
        numbers = {each.group.name: each.number for each in self._groups}
        if numbers != self._written:
            write_numbers(self._layout, numbers)
            self._written = numbers


def run(layout: Layout, settings: Settings, stopping: threading.Event) -> None:
    """Keep saying until stopping; raises what the broker's absence does."""
    if settings.monitoring_url is None:
        raise SettingsError("MILLRACE_MONITORING_URL must be set")
    scaler = Scaler(settings.load_catalog().groups, settings, layout)
    limits = {"connect_timeout": SEND_SECONDS, "read_timeout": SEND_SECONDS, "write_timeout": SEND_SECONDS}
    with connect_broker(settings.broker_url, heartbeat=HEARTBEAT_SECONDS, **limits) as connection:
        sleepers = Sleepers(connection)
        while not stopping.wait(LOOK_SECONDS):
            connection.heartbeat_tick()
            scaler.turn(sleepers.awake, partial(statistics, settings.monitoring_url, settings.vhost))


if __name__ == "__main__":
    sys.exit(run_service("scaler", partial(run, Layout(Path(sys.argv[1])))))
