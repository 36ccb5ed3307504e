"""What a catalog is made of: frozen declarations, each checked when it is made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from types import UnionType

from millrace.checks import lasts, require, require_distinct, require_no_wildcard, require_sequence, within
from millrace.errors import UnknownEventType
from millrace.functions import Function, LambdaGroup, PlainFunction, Topic
from millrace.payload import Payload
from millrace.retry import Retry

__all__ = [
    "LANE_RUNTIME",
    "Catalog",
    "Event",
    "LambdaGroup",
    "Payload",
    "PlainFunction",
    "Retry",
    "Service",
    "Topic",
    "WorkerGroup",
    "seconds",
]

#: Lower-case words joined by dots; the routing key of AMQP, with room for a delay's prefix (56 bytes).
EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
MAX_EVENT_TYPE_LENGTH = 120
ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
#: A DNS label (RFC 1123), which is what Kubernetes takes; with room for the suffixes of its objects.
GROUP_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
MAX_GROUP_NAME_LENGTH = 40
#: Names that Millrace's own queues and exchanges bear.
RESERVED_NAMES = frozenset(
    {
        *("in", "events", "groups", "dead", "unrouted", "parked", "rejected", "accepted", "outward"),
        *("celery", "celeryev", "all"),
    }
)
#: A group whose handlers are declared to end within this has a lane: the loop that runs them still turns in time.
LANE_RUNTIME = timedelta(seconds=0.5)
#: MiB, between what a worker of one process needs and what no sensible one does.
LEAST_MEMORY, MOST_MEMORY = 256, 65_536


def seconds(count: float) -> timedelta:
    """Write a duration of `count` seconds."""
    return timedelta(seconds=count)


@dataclass(frozen=True)
class Event:
    """One event type: its payload model, the names others may call it by.

    `may_wait` says that this type is meant to wait in `parked` for a group still to come, so no alert is due.
    `public` is the SNS topic through which others publish it, `forwarded` the one to which each accepted event goes.
    """

    payload: type[Payload]
    aliases: Sequence[str] = field(default=(), kw_only=True)
    may_wait: bool = field(default=False, kw_only=True)
    public: Topic | None = field(default=None, kw_only=True)
    forwarded: Topic | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        is_model = isinstance(self.payload, type) and issubclass(self.payload, Payload)
        require(is_model, "Event's payload", "a subclass of millrace.Payload", self.payload)
        where = f"{self.payload.__name__}.event_type"
        type_ = getattr(self.payload, "event_type", None)
        require_no_wildcard(where, type_)
        fits = isinstance(type_, str) and EVENT_TYPE.fullmatch(type_) and len(type_) <= MAX_EVENT_TYPE_LENGTH
        require(bool(fits), where, f"dotted lower-case words of at most {MAX_EVENT_TYPE_LENGTH} characters", type_)
        version = self.payload.schema_version
        positive = isinstance(version, int) and version > 0
        require(positive, f"{self.payload.__name__}.schema_version", "a positive integer", version)
        object.__setattr__(self, "aliases", require_sequence(f"{self.type}: aliases", "names", str, self.aliases))
        for alias in self.aliases:
            require_no_wildcard(f"{self.type}: alias", alias)
            good = ALIAS.fullmatch(alias) and len(alias) <= MAX_EVENT_TYPE_LENGTH
            require(bool(good), f"{self.type}: alias", "letters, digits, dots, dashes and underscores", alias)
        for name in ("public", "forwarded"):
            topic = getattr(self, name)
            require(topic is None or isinstance(topic, Topic), f"{self.type}: {name}", "a Topic", topic)
        once = self.public is None or self.forwarded is None
        require(once, f"{self.type}: forwarded", "unset where the type is public (what goes out would come in)", True)

    @property
    def type(self) -> str:
        """The event type, which is also its routing key and its Celery task name."""
        return self.payload.event_type


@dataclass(frozen=True)
class WorkerGroup:
    """One queue, one deployment, one scaling unit, one idempotency scope: the events it handles and how.

    `tasks` are payloads that only this group sends to itself (the steps of a workflow); `replicas` is the
    smallest and largest number of workers; `longest_runtime` bounds one run of a handler, `usual_runtime`, where it is
    declared, is what one takes on average (workers are counted by it), and `memory` is what a worker may use, in MiB:
    one that uses more is replaced when it has finished what it runs. `idempotent` says
    that its handlers may run more than once for an event: what ends well in its lane leaves no record in the inbox, and
    duplicates are not absorbed (docs/decisions/0507).
    """

    name: str
    handles: Sequence[type[Payload]] = field(kw_only=True)
    tasks: Sequence[type[Payload]] = field(default=(), kw_only=True)
    longest_runtime: timedelta = field(default=timedelta(seconds=10), kw_only=True)
    usual_runtime: timedelta | None = field(default=None, kw_only=True)
    memory: int = field(default=512, kw_only=True)
    replicas: tuple[int, int] = field(default=(1, 4), kw_only=True)
    retry: Retry = field(default_factory=Retry, kw_only=True)
    idempotent: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        name = self.name
        fits = isinstance(name, str) and GROUP_NAME.fullmatch(name) and len(name) <= MAX_GROUP_NAME_LENGTH
        expected = f"a DNS label (lower-case letters, digits, dashes) of at most {MAX_GROUP_NAME_LENGTH} characters"
        require(bool(fits), "WorkerGroup's name", expected, name)
        reserved = name in RESERVED_NAMES or name.startswith("celery")
        require(not reserved, "WorkerGroup's name", "other than the names that Millrace or Celery use", name)
        for what in ("handles", "tasks"):
            declared = require_sequence(f"{name}: {what}", "payload classes", type(Payload), getattr(self, what))
            object.__setattr__(self, what, declared)
            for payload in getattr(self, what):
                Event(payload)
        require(bool(self.handles), f"{name}: handles", "at least one payload class", self.handles)
        longest = self.longest_runtime
        in_range = lasts(timedelta(milliseconds=10), longest, timedelta(hours=12))
        require(in_range, f"{name}: longest_runtime", "a timedelta, 10 milliseconds to 12 hours", longest)
        usual = self.usual_runtime
        shorter = usual is None or lasts(timedelta(microseconds=1), usual, longest)
        require(shorter, f"{name}: usual_runtime", "a timedelta, more than none, at most longest_runtime", usual)
        bounded = isinstance(self.memory, int) and within(LEAST_MEMORY, self.memory, MOST_MEMORY)
        require(bounded, f"{name}: memory", f"a whole number of MiB, {LEAST_MEMORY} to {MOST_MEMORY}", self.memory)
        ordered = _is_range(self.replicas)
        require(
            ordered,
            f"{name}: replicas",
            "(smallest, largest) with 0 <= smallest <= largest, largest >= 1",
            self.replicas,
        )
        require(isinstance(self.retry, Retry), f"{name}: retry", "a Retry", self.retry)
        require(isinstance(self.idempotent, bool), f"{name}: idempotent", "True or False", self.idempotent)
        if self.idempotent:
            at_most = f"at most {LANE_RUNTIME.total_seconds():g} s where idempotent=True (a pool needs its records)"
            require(longest <= LANE_RUNTIME, f"{name}: longest_runtime", at_most, longest)


def _is_range(replicas: object) -> bool:
    if not isinstance(replicas, tuple) or len(replicas) != 2:  # noqa: PLR2004
        return False
    low, high = replicas
    return isinstance(low, int) and isinstance(high, int) and 0 <= low <= high and high >= 1


@dataclass(frozen=True)
class Service:
    """A service outside this repository that publishes; `celery` lets it send Celery's own messages too."""

    name: str
    celery: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        fits = (
            isinstance(self.name, str) and GROUP_NAME.fullmatch(self.name) and len(self.name) <= MAX_GROUP_NAME_LENGTH
        )
        require(bool(fits), "Service's name", "lower-case letters, digits and dashes, at most 40", self.name)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """The one declaration: all events, groups and services, checked against each other."""

    events: Sequence[Event]
    groups: Sequence[WorkerGroup]
    services: Sequence[Service] = ()
    functions: Sequence[Function] = ()

    def __post_init__(self) -> None:
        for what, of, kind in _PARTS:
            object.__setattr__(self, what, require_sequence(f"Catalog.{what}", of, kind, getattr(self, what)))
        require_distinct(
            "event types and aliases", [name for event in self.events for name in (event.type, *event.aliases)]
        )
        require_distinct("group names", [one.name for one in (*self.groups, *self.functions)])
        require_distinct("service names", [service.name for service in self.services])
        declared = {event.payload for event in self.events}
        for group in self.groups:
            require_distinct(f"{group.name}: handles", [payload.event_type for payload in group.handles])
            for payload in group.handles:
                require(
                    payload in declared, f"{group.name}: handles", "payload classes of the catalog's events", payload
                )
        tasks = [payload.event_type for group in self.groups for payload in group.tasks]
        events = [name for event in self.events for name in (event.type, *event.aliases)]
        require_distinct("event types, aliases and tasks", events + tasks)
        self._require_apart()
        self._require_topics()

    def _require_topics(self) -> None:
        """Each topic has a name of its own, and functions handle only what comes through one."""
        given = [topic.name for event in self.events if (topic := event.public or event.forwarded) and topic.name]
        require_distinct("names of topics", given)
        with_topic = {event.payload for event in self.events if event.public or event.forwarded}
        for function in self.functions:
            require(function.name not in RESERVED_NAMES, f"function {function.name}", "no name of Millrace's own", "it")
            handled = function.handles if isinstance(function, LambdaGroup) else (function.handles,)
            require_distinct(f"{function.name}: handles", [payload.event_type for payload in handled])
            for payload in handled:
                expected = "payload classes of events that are public or forwarded"
                require(payload in with_topic, f"{function.name}: handles", expected, payload)

    def _require_apart(self) -> None:
        """Refuse keys of which one ends in the other: delayed messages are matched by the end of their key."""
        keys = [name for event in self.events for name in (event.type, *event.aliases)]
        keys += [f"group.{group.name}" for group in self.groups]
        require_distinct("event types, aliases and group keys", keys)
        by_end = set(keys)
        for key in keys:
            words = key.split(".")
            ends = {".".join(words[start:]) for start in range(1, len(words))}
            clash = sorted(ends & by_end)
            require(not clash, f"event type {key!r}", "no longer form of another type, alias or group key", clash)

    def event(self, name: str) -> Event:
        """The event of this type or alias; raises UnknownEventType."""
        for event in self.events:
            if name == event.type or name in event.aliases:
                return event
        raise UnknownEventType(name)

    def group(self, name: str) -> WorkerGroup:
        """The group of this name; raises KeyError."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)

    def groups_for(self, type_: str) -> tuple[WorkerGroup, ...]:
        """The groups that handle this event type, in the catalog's order."""
        return tuple(g for g in self.groups if any(p.event_type == type_ for p in g.handles))

    def functions_for(self, type_: str) -> tuple[Function, ...]:
        """The functions that handle this event type, in the catalog's order."""
        return tuple(one for one in self.functions if type_ in one.handled_types)

    def lambda_group(self, name: str) -> LambdaGroup:
        """The Lambda group of this name; raises KeyError."""
        for function in self.functions:
            if isinstance(function, LambdaGroup) and function.name == name:
                return function
        raise KeyError(name)

    @property
    def lambda_groups(self) -> tuple[LambdaGroup, ...]:
        """The functions that are groups, with an inbox."""
        return tuple(one for one in self.functions if isinstance(one, LambdaGroup))

    @property
    def uses_aws(self) -> bool:
        """Whether anything of it lies at AWS."""
        return bool(self.functions) or any(event.public or event.forwarded for event in self.events)

    def without_aws(self) -> "Catalog":
        """The same catalog with nothing at AWS: what a stack without AWS has."""
        return replace(self, events=[replace(one, public=None, forwarded=None) for one in self.events], functions=())

    def task_owner(self, type_: str) -> WorkerGroup | None:
        """The group that has this type as one of its own tasks, if any."""
        return self._task_owners.get(type_)

    def payload_class(self, type_: str) -> type[Payload]:
        """The payload class of an event type, an alias or a group's own task; raises UnknownEventType."""
        found = self._payload_classes.get(type_)
        if found is None:
            raise UnknownEventType(type_)
        return found

    @cached_property
    def _task_owners(self) -> dict[str, WorkerGroup]:
        return {payload.event_type: group for group in self.groups for payload in group.tasks}

    @cached_property
    def _payload_classes(self) -> dict[str, type[Payload]]:
        """By every name; looked at for each event, so it must not take longer in a large catalog."""
        events = {name: event.payload for event in self.events for name in (event.type, *event.aliases)}
        return {**events, **{payload.event_type: payload for group in self.groups for payload in group.tasks}}


_PARTS: tuple[tuple[str, str, type | UnionType], ...] = (
    ("events", "Events", Event),
    ("groups", "WorkerGroups", WorkerGroup),
    ("services", "Services", Service),
    ("functions", "LambdaGroups and PlainFunctions", Function),
)
