"""What is measured, along which axis, by whom."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bench import contenders, flower, latency, messages, names
from bench.catalogs import catalog_size
from bench.contenders import (
    CELERY_BARE,
    CELERY_INBOX,
    DRAMATIQ,
    FASTSTREAM,
    LANE_EFFECT,
    LANE_INBOX,
    MAIN,
    OTHERS,
    TABLES,
    TASKIQ,
    Contender,
)
from bench.draining import drain
from bench.limit import limit
from bench.profiling import profile
from bench.publishing import PublishingWay, publish
from bench.running import Axis, Case
from bench.standing import idle, start_to_first

#: Bytes of the note that makes an event longer; 64 KiB is the most that Millrace takes.
NOTES = (200, 2_000, 20_000, 60_000)
#: A round of long events moves at most about so many bytes.
MOST_BYTES = 60_000_000
BACKLOGS = (10_000, 100_000, 1_000_000)
EVENT_TYPES = (10, 100, 1_000)
#: As services send: to the door, which has a log of accepted events besides the group's queue.
BY_THE_DOOR = replace(LANE_EFFECT, make=messages.event_for("with-effect", by_the_door=True))

_MANY = PublishingWay(name=names.PUBLISH_MANY, way="publish_many", events=10_000, ours=True)
_ONE = PublishingWay(name="Millrace publish", way="publish", events=2_000, ours=True)
_CELERY = PublishingWay(name=names.CELERY_CONFIRMS, way="celery", events=2_000)
_FASTSTREAM = PublishingWay(name=names.FASTSTREAM_BULK, way="faststream", events=6_000)
_AIO_PIKA = PublishingWay(name=names.AIO_PIKA_BULK, way="aio_pika", events=8_000)
_OTHER_WAYS = (
    PublishingWay(name="Celery, not confirmed", way="celery", events=5_000, confirms=False),
    PublishingWay(name="kombu, confirmed", way="kombu", events=3_000),
    PublishingWay(name="kombu, not confirmed", way="kombu", events=20_000, confirms=False),
    PublishingWay(name="dramatiq, confirmed", way="dramatiq", events=3_000),
    PublishingWay(name="dramatiq, not confirmed", way="dramatiq", events=15_000, confirms=False),
    PublishingWay(name="pika, confirmed", way="pika", events=3_000),
    PublishingWay(name="taskiq in bulk, confirmed", way="taskiq", events=6_000),
    PublishingWay(name="py-amqp, 100 to a round of confirms", way="py_amqp", events=15_000),
)


def quick() -> list[Axis]:
    """The main ratios, in less than four minutes."""
    return [
        _drain(MAIN, rounds=2),
        _publish((_MANY, _ONE, _CELERY, _FASTSTREAM, _AIO_PIKA), rounds=2),
        _latency((CELERY_BARE, BY_THE_DOOR), seconds=6.0, rounds=1),
        _flower(_TOLD, rounds=2),
        _memory((_SAME_IMPORTS, _ONE_LANE), rounds=1),
        _in_tables(1_000, rounds=1),
    ]


def everything() -> list[Axis]:
    """All there is, from the main ratios to what takes longest."""
    directly = replace(LANE_EFFECT, name=f"{names.LANE_EFFECT}, sent to its queue")
    most = (CELERY_BARE, DRAMATIQ, TASKIQ, FASTSTREAM, BY_THE_DOOR, directly)
    return [
        _drain((*MAIN, *OTHERS), _LIMIT),
        _in_tables(1_000),
        _publish((_MANY, _ONE, _CELERY, _FASTSTREAM, _AIO_PIKA, *_OTHER_WAYS)),
        _latency(most, seconds=20.0),
        _latency_at_half(),
        _flower((*_TOLD, *_TOLD_OF_CELERY)),
        _memory((_SAME_IMPORTS, _ONE_LANE, _ONE_CELERY)),
        _profile(),
        _classic(),
        _scaling(),
        _payload(),
        _start(),
        _idle(),
        _catalog(),
        _backlog(),
    ]


def _drained(contender: Contender, **options: Any) -> Case:
    return Case(name=contender.name, measure=partial(drain, contender=contender, **options))


_LIMIT = Case(name="C (rabbitmq-c), ack 50", measure=limit)


def _drain(chosen: Sequence[Contender], *more: Case, rounds: int = 3) -> Axis:
    cases = [*map(_drained, chosen), *more]
    return Axis(name="drain", title="Draining a quorum queue, two processes", cases=cases, rounds=rounds)


def _in_tables(jobs: int, rounds: int = 2) -> Axis:
    cases = [_drained(LANE_EFFECT), *(_drained(each, events=jobs) for each in TABLES)]
    title = "Against queues in PostgreSQL, two processes"
    return Axis(name="tables", title=title, cases=cases, rounds=rounds)


def _classic() -> Axis:
    cases = [_drained(each, kind="classic") for each in (*MAIN, *OTHERS) if each.group is None]
    title = "The peers on classic queues (Millrace makes quorum queues only)"
    return Axis(name="classic", title=title, cases=cases, rounds=2)


def _publish(ways: Sequence[PublishingWay], rounds: int = 3) -> Axis:
    cases = [Case(name=way.name, measure=partial(publish, way=way)) for way in ways]
    title = "Publishing to a quorum queue, persistent, one process"
    return Axis(name="publish", title=title, cases=cases, rounds=rounds)


def _latency(chosen: Sequence[Contender], *, seconds: float, rounds: int = 3) -> Axis:
    measure = partial(latency.latency, rate=100.0, seconds=seconds)
    cases = [Case(name=each.name, measure=partial(measure, contender=each)) for each in chosen]
    title = "From sending to the beginning of the handler, 100 a second"
    return Axis(name="latency", title=title, cases=cases, figure="p50_ms", rounds=rounds)


def _latency_at_half() -> Axis:
    measure = partial(latency.latency_at_half, seconds=15.0)
    chosen = (CELERY_BARE, CELERY_INBOX, DRAMATIQ, LANE_EFFECT)
    cases = [Case(name=each.name, measure=partial(measure, contender=each)) for each in chosen]
    title = "The same at half of the rate at which each drains a queue"
    return Axis(name="latency-half", title=title, cases=cases, figure="p50_ms", rounds=2)


def _told(name: str, contender: Contender) -> Case:
    return Case(name=name, measure=partial(flower.drain_while_told, contender=contender))


_TOLD = (
    _told(names.NOT_TOLD, replace(contenders.variant(LANE_EFFECT, "bench.quiet_worker"), events=20_000)),
    _told(names.TOLD, replace(LANE_EFFECT, events=20_000)),
)
_TOLD_OF_CELERY = (
    _told("Celery prefork, Flower not told", CELERY_BARE),
    _told("Celery prefork, Flower told", contenders.celery("", "nothing", 6_000, more=("-E",))),
)


def _flower(cases: Sequence[Case], rounds: int = 3) -> Axis:
    title = "With somebody who listens to Celery's events, as Flower does"
    return Axis(name="flower", title=title, cases=cases, rounds=rounds)


_ONE_LANE = contenders.lane("with-effect", names.LANE_EFFECT, events=15_000, processes=1)
_ONE_CELERY = contenders.celery(names.CELERY_INBOX, "inbox", 3_000, processes=1)
_SAME_IMPORTS = contenders.with_our_imports(_ONE_CELERY, names.CELERY_SAME_IMPORTS)


def _memory(chosen: Sequence[Contender], rounds: int = 2) -> Axis:
    title = "Memory of one worker with one pool process, while it drains"
    cases = [_drained(each) for each in chosen]
    return Axis(name="memory", title=title, cases=cases, figure="pss_mib", rounds=rounds)


def _profile() -> Axis:
    chosen = (LANE_EFFECT, LANE_INBOX)
    cases = [Case(name=each.name, measure=partial(profile, contender=each)) for each in chosen]
    title = "Where the lane's microseconds go, for each event"
    return Axis(name="profile", title=title, cases=cases, figure="client_us", rounds=2)


def _scaling() -> Axis:
    numbers = range(1, 5)
    found = [contenders.lane("with-effect", f"{names.LANE_EFFECT}, {n} processes", processes=n) for n in numbers]
    found += [contenders.celery(f"{names.CELERY_BARE}, {n} processes", "nothing", 8_000, n) for n in numbers]
    found += [contenders.dramatiq(f"{names.DRAMATIQ}, {n} processes", "nothing", 20_000, n) for n in numbers]
    return Axis(name="scaling", title="One to four processes", cases=[_drained(each) for each in found], rounds=2)


def _payload() -> Axis:
    cases = []
    for contender in (LANE_EFFECT, CELERY_BARE, DRAMATIQ):
        for note in NOTES:
            named = replace(contender, name=f"{contender.name}, {note:,} bytes")
            cases.append(_drained(named, note=note, events=min(contender.events, MOST_BYTES // note)))
    return Axis(name="payload", title="Longer events", cases=cases, rounds=2)


def _start() -> Axis:
    chosen = (CELERY_BARE, DRAMATIQ, TASKIQ, FASTSTREAM, LANE_EFFECT)
    cases = [Case(name=each.name, measure=partial(start_to_first, contender=each)) for each in chosen]
    title = "From the start of two processes to the first event's handler"
    return Axis(name="start", title=title, cases=cases, figure="seconds")


def _idle() -> Axis:
    chosen = (CELERY_BARE, CELERY_INBOX, DRAMATIQ, TASKIQ, FASTSTREAM, LANE_EFFECT)
    cases = [Case(name=each.name, measure=partial(idle, contender=each)) for each in chosen]
    title = "Two processes with nothing to do; CPU in per cent of a core"
    return Axis(name="idle", title=title, cases=cases, figure="pss_mib", rounds=2)


def _catalog() -> Axis:
    cases = [Case(name=f"{types:,} event types", measure=partial(catalog_size, types=types)) for types in EVENT_TYPES]
    title = "The size of the catalog: `up`, start and memory of its worker"
    return Axis(name="catalog", title=title, cases=cases, figure="start_seconds", rounds=2)


def _backlog() -> Axis:
    cases = []
    for waiting in BACKLOGS:
        named = replace(LANE_EFFECT, name=f"{names.LANE_EFFECT}, {waiting:,} waiting")
        cases.append(_drained(named, events=waiting))
    return Axis(name="backlog", title="A long queue, drained to its end", cases=cases, rounds=2)
