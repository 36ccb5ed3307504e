"""What the scaler says, given what queues and people say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from millrace import WorkerGroup, seconds
from millrace.derived import polling, timing
from millrace.events import UserSignedUp
from millrace.scaling import Load

from operations.local import scaler as scaler_module
from operations.local.layout import Layout
from operations.local.loads import loads
from operations.local.numbers import (
    Number,
    WrongNumbers,
    begin_numbers,
    groups_awake,
    is_due,
    parse_numbers,
    read_by_hand,
    read_numbers,
    set_by_hand,
    write_numbers,
)
from operations.local.process_spec import ProcessSpec
from operations.local.scaler import Scaler
from operations.queue_numbers import QueueNumbers
from workers.broker_state import BrokerUnreadable
from workers.service import TROUBLE
from workers.settings import Settings

SETTINGS = Settings(broker_url="amqp://a:b@127.0.0.1/v", database_url="sqlite://")
SLEEPY = WorkerGroup("sleepy", handles=[UserSignedUp], longest_runtime=seconds(10), replicas=(0, 8))
STEADY = replace(SLEEPY, name="steady", replicas=(2, 4))


class Broker:
    """What a broker would say, and how often it was asked."""

    def __init__(self) -> None:
        self.waiting: dict[str, int] = {}
        self.queues: dict[str, QueueNumbers] = {}
        self.asked: list[list[str]] = []
        self.read = 0

    def awake(self, groups: Iterable[str]) -> dict[str, Load]:
        self.asked.append(list(groups))
        return {name: Load(ready=self.waiting[name], unacknowledged=0) for name in groups if self.waiting.get(name)}

    def statistics(self) -> scaler_module.Loads:
        self.read += 1
        return loads(self.queues)


class Clock:
    """A clock that is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("operations.local.scaler.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def numbers(layout: Layout) -> dict[str, int]:
    return {group: number.number for group, number in read_numbers(layout).items()}


def test_a_group_asleep_is_woken_by_what_waits_and_grows_by_statistics(clock: Clock, layout: Layout) -> None:
    broker, scaler = Broker(), Scaler([SLEEPY, STEADY], SETTINGS, layout)
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout) == {"sleepy": 0, "steady": 2}
    assert broker.asked == [["sleepy"]], "who is awake is not asked about one by one"
    broker.waiting = {"sleepy": 100}
    clock.now += 0.5
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout) == {"sleepy": 1, "steady": 2}
    broker.queues = {"sleepy": QueueNumbers(ready=95, unacknowledged=2)}
    clock.now += polling(SLEEPY)
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout) == {"sleepy": 5, "steady": 2}
    assert read_numbers(layout)["sleepy"] == Number(number=5, wanted=8)


def test_statistics_are_read_once_for_all_and_no_oftener_than_polled(clock: Clock, layout: Layout) -> None:
    broker, scaler = Broker(), Scaler([STEADY, replace(STEADY, name="other")], SETTINGS, layout)
    for _ in range(10):
        scaler.turn(broker.awake, broker.statistics)
        clock.now += 0.5
    assert broker.read == 1


def test_a_group_sleeps_when_nothing_was_there_for_its_cool_down(clock: Clock, layout: Layout) -> None:
    broker, scaler = Broker(), Scaler([SLEEPY], SETTINGS, layout)
    broker.waiting = {"sleepy": 1}
    scaler.turn(broker.awake, broker.statistics)
    broker.waiting, begun = {}, clock.now
    while numbers(layout)["sleepy"]:
        clock.now += 1.0
        scaler.turn(broker.awake, broker.statistics)
        assert clock.now < begun + 1000
    assert timing(SLEEPY).cool_down < clock.now - begun <= timing(SLEEPY).cool_down + polling(SLEEPY) + 1


def test_what_runs_unacknowledged_keeps_its_worker(clock: Clock, layout: Layout) -> None:
    broker, scaler = Broker(), Scaler([SLEEPY], SETTINGS, layout)
    broker.waiting = {"sleepy": 1}
    broker.queues = {"sleepy": QueueNumbers(unacknowledged=1)}
    for _ in range(200):
        scaler.turn(broker.awake, broker.statistics)
        clock.now += 1.0
    assert numbers(layout) == {"sleepy": 1}


def test_two_people_at_once_lose_neither_number(layout: Layout) -> None:
    wanted = {f"g{number}": number for number in range(100)}
    with ThreadPoolExecutor(8) as people:
        assert list(people.map(lambda each: set_by_hand(layout, *each), wanted.items())) == [None] * len(wanted)
    assert read_by_hand(layout) == wanted


def test_by_hand_until_auto(clock: Clock, layout: Layout) -> None:
    broker, scaler = Broker(), Scaler([STEADY], SETTINGS, layout)
    set_by_hand(layout, "steady", 3)
    scaler.turn(broker.awake, broker.statistics)
    assert read_numbers(layout) == {"steady": Number(number=3, wanted=2, by_hand=True)}
    set_by_hand(layout, "steady", 99)
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout) == {"steady": 4}, "more are not declared"
    set_by_hand(layout, "steady", None)
    clock.now += 1
    scaler.turn(broker.awake, broker.statistics)
    assert read_numbers(layout) == {"steady": Number(number=4, wanted=2)}, "none ends before its cool-down is over"
    clock.now += timing(STEADY).cool_down + polling(STEADY)
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout) == {"steady": 2}


@pytest.mark.usefixtures("clock")
def test_a_new_scaler_goes_on_from_where_the_last_one_was(layout: Layout) -> None:
    write_numbers(layout, {"sleepy": Number(number=6, wanted=6)})
    broker, scaler = Broker(), Scaler([SLEEPY], SETTINGS, layout)
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout) == {"sleepy": 6}


@pytest.mark.usefixtures("clock")
def test_without_lanes_a_worker_is_meant_for_its_processes(layout: Layout) -> None:
    short = replace(SLEEPY, longest_runtime=seconds(0.5))
    write_numbers(layout, {"sleepy": Number(number=1, wanted=1)})
    broker = Broker()
    broker.queues = {"sleepy": QueueNumbers(ready=8)}
    Scaler([short], replace(SETTINGS, inbox_url="redis://127.0.0.1"), layout).turn(broker.awake, broker.statistics)
    assert read_numbers(layout)["sleepy"].wanted == 4
    Scaler([short], SETTINGS, layout).turn(broker.awake, broker.statistics)
    assert read_numbers(layout)["sleepy"].wanted == 1


def test_which_processes_are_due(layout: Layout) -> None:
    relay = ProcessSpec(name="relay", argv=(), cwd="/")
    first, second = (
        ProcessSpec(name=f"w{n}", argv=(), cwd="/", replica_of="sleepy", replica=n, at_first=n == 1) for n in (1, 2)
    )
    everyone = (relay, first, second)
    assert [spec.name for spec in everyone if is_due(spec, {})] == ["relay", "w1"]
    assert [spec.name for spec in everyone if is_due(spec, {"sleepy": Number(number=0, wanted=0)})] == ["relay"]
    assert all(is_due(spec, {"sleepy": Number(number=2, wanted=2)}) for spec in everyone)
    assert groups_awake(layout, everyone) == ["sleepy"]
    write_numbers(layout, {"sleepy": Number(number=0, wanted=0)})
    assert groups_awake(layout, everyone) == []


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"a": 1}', '{"a": {"count": 1}}', '{"a": {"number": "3", "wanted": 1}}']
)
def test_numbers_that_make_no_sense(content: str) -> None:
    with pytest.raises(WrongNumbers, match=r"numbers\.json"):
        parse_numbers(content)


@pytest.mark.usefixtures("clock")
def test_files_that_make_no_sense_stop_nothing(layout: Layout) -> None:
    """Numbers are written anew; what was last set by hand holds, and who sets again is told what is wrong."""
    layout.numbers.write_text("{")
    broker, scaler = Broker(), Scaler([STEADY], SETTINGS, layout)
    set_by_hand(layout, "steady", 3)
    scaler.turn(broker.awake, broker.statistics)
    layout.by_hand.write_text('{"steady": "many"}')
    layout.numbers.unlink()
    scaler.turn(broker.awake, broker.statistics)
    assert read_numbers(layout) == {"steady": Number(number=3, wanted=2, by_hand=True)}
    with pytest.raises(WrongNumbers, match="mend it or delete it"):
        set_by_hand(layout, "steady", 1)


def test_a_management_api_that_is_out_holds_up_neither_sleepers_nor_people(clock: Clock, layout: Layout) -> None:
    def out() -> scaler_module.Loads:
        raise BrokerUnreadable("out")

    broker, scaler = Broker(), Scaler([SLEEPY, STEADY, replace(STEADY, name="other")], SETTINGS, layout)
    broker.waiting = {"sleepy": 3}
    set_by_hand(layout, "other", 4)
    scaler.turn(broker.awake, out)
    assert numbers(layout) == {"sleepy": 1, "steady": 2, "other": 4}
    assert TROUBLE.labels("scaler")._value.get() == 1
    clock.now += 1
    scaler.turn(broker.awake, broker.statistics)
    assert TROUBLE.labels("scaler")._value.get() == 0


def test_a_broker_that_is_out_ends_nothing(clock: Clock, layout: Layout) -> None:
    def out(_groups: Iterable[str]) -> dict[str, Load]:
        raise ConnectionRefusedError

    broker, scaler = Broker(), Scaler([SLEEPY, STEADY], SETTINGS, layout)
    for _ in range(10):
        scaler.turn(out, broker.statistics)
        clock.now += timing(STEADY).cool_down
    assert numbers(layout) == {"sleepy": 0, "steady": 2}


def test_what_is_declared_holds_at_once(clock: Clock, layout: Layout) -> None:
    """After a person, or another catalog: never fewer than the smallest, nor more than the largest."""
    write_numbers(layout, {"steady": Number(number=0, wanted=0), "sleepy": Number(number=12, wanted=12)})
    broker, scaler = Broker(), Scaler([STEADY, SLEEPY], SETTINGS, layout)
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout) == {"steady": 2, "sleepy": 8}
    set_by_hand(layout, "steady", 0)
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout)["steady"] == 0
    set_by_hand(layout, "steady", None)
    clock.now += 1
    scaler.turn(broker.awake, broker.statistics)
    assert numbers(layout)["steady"] == 2


@pytest.mark.usefixtures("clock")
def test_what_would_be_wanted_is_told_while_a_person_has_set_another(layout: Layout) -> None:
    broker, scaler = Broker(), Scaler([STEADY], SETTINGS, layout)
    set_by_hand(layout, "steady", 0)
    broker.queues = {"steady": QueueNumbers(ready=50_000)}
    scaler.turn(broker.awake, broker.statistics)
    assert read_numbers(layout) == {"steady": Number(number=0, wanted=4, by_hand=True)}
    assert broker.asked == [[]], "nobody is to be woken"


def test_up_begins_with_what_a_person_has_set(layout: Layout) -> None:
    set_by_hand(layout, "steady", 0)
    begin_numbers(layout, [SLEEPY, STEADY])
    assert numbers(layout) == {"sleepy": 0, "steady": 0}
    write_numbers(layout, {"steady": Number(number=4, wanted=4)})
    begin_numbers(layout, [SLEEPY, STEADY])
    assert numbers(layout) == {"steady": 4}, "a running stack goes on from where it is"


def test_numbers_are_read_by_their_owner_only(layout: Layout) -> None:
    set_by_hand(layout, "sleepy", 1)
    assert json.loads(layout.by_hand.read_text()) == {"sleepy": 1}
    assert layout.by_hand.stat().st_mode & 0o077 == 0
