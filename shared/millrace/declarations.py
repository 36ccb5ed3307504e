"""What a catalog is made of: frozen declarations, each checked when it is made."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from millrace.checks import lasts, require, require_distinct, require_no_wildcard, require_sequence, within
from millrace.errors import UnknownEventType

#: Lower-case words joined by dots; the routing key of AMQP, with room for a delay's prefix (56 bytes).
EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
MAX_EVENT_TYPE_LENGTH = 120
ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
#: A DNS label (RFC 1123), which is what Kubernetes takes; with room for the suffixes of its objects.
GROUP_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
MAX_GROUP_NAME_LENGTH = 40
#: Names that Millrace's own queues and exchanges bear.
RESERVED_NAMES = frozenset(
    {"in", "events", "groups", "dead", "unrouted", "parked", "rejected", "accepted", "celery", "celeryev", "all"}
)
#: The longest delay that 28 binary levels hold is eight years; a month is the longest that is sensible.
MAX_DELAY = timedelta(days=30)
#: A group whose handlers are declared to end within this has a lane: the loop that runs them still turns in time.
LANE_RUNTIME = timedelta(seconds=0.5)


def seconds(count: float) -> timedelta:
    """Write a duration of `count` seconds."""
    return timedelta(seconds=count)


class Payload(BaseModel):
    """The base of all payloads: frozen, unknown fields refused, camelCase names accepted too."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
        ser_json_inf_nan="constants",
        allow_inf_nan=False,
    )

    event_type: ClassVar[str]
    schema_version: ClassVar[int] = 1


@dataclass(frozen=True)
class Event:
    """One event type: its payload model, the names others may call it by.

    `may_wait` says that this type is meant to wait in `parked` for a group still to come, so no alert is due.
    """

    payload: type[Payload]
    aliases: Sequence[str] = field(default=(), kw_only=True)
    may_wait: bool = field(default=False, kw_only=True)

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

    @property
    def type(self) -> str:
        """The event type, which is also its routing key and its Celery task name."""
        return self.payload.event_type


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a failing event is tried, and how long it waits between: delay x factor^n, jitter either way."""

    attempts: int = 5
    delay: timedelta = timedelta(seconds=2)
    factor: float = 3.0
    longest_delay: timedelta = timedelta(minutes=10)
    jitter: float = 0.1

    def __post_init__(self) -> None:
        whole = isinstance(self.attempts, int) and within(1, self.attempts, 100)
        require(whole, "Retry.attempts", "a whole number, 1 to 100", self.attempts)
        delays = lasts(timedelta(seconds=1), self.delay, MAX_DELAY)
        require(delays, "Retry.delay", "a timedelta, 1 second to 30 days", self.delay)
        in_range = lasts(self.delay, self.longest_delay, MAX_DELAY)
        require(in_range, "Retry.longest_delay", "a timedelta between Retry.delay and 30 days", self.longest_delay)
        require(within(1, self.factor, 100), "Retry.factor", "1 to 100", self.factor)
        require(within(0, self.jitter, 0.5), "Retry.jitter", "0 to 0.5", self.jitter)

    def delay_after(self, attempt: int) -> int:
        """Whole seconds to wait after the given failed attempt (1 is the first), jitter included."""
        grown = self.delay.total_seconds() * self.factor ** min(attempt - 1, 100)
        bounded = min(grown, self.longest_delay.total_seconds())
        spread = bounded * (1 + random.uniform(-self.jitter, self.jitter))  # noqa: S311
        return max(1, round(spread))


@dataclass(frozen=True)
class WorkerGroup:
    """One queue, one deployment, one scaling unit, one idempotency scope: the events it handles and how.

    `tasks` are payloads that only this group sends to itself (the steps of a workflow); `replicas` is the
    smallest and largest number of worker processes; `longest_runtime` bounds one run of a handler. `idempotent` says
    that its handlers may run more than once for an event: what ends well in its lane leaves no record in the inbox, and
    duplicates are not absorbed (docs/decisions/0507).
    """

    name: str
    handles: Sequence[type[Payload]] = field(kw_only=True)
    tasks: Sequence[type[Payload]] = field(default=(), kw_only=True)
    longest_runtime: timedelta = field(default=timedelta(seconds=10), kw_only=True)
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

    def __post_init__(self) -> None:
        for what, kind in (("events", Event), ("groups", WorkerGroup), ("services", Service)):
            object.__setattr__(
                self, what, require_sequence(f"Catalog.{what}", f"{kind.__name__}s", kind, getattr(self, what))
            )
        require_distinct(
            "event types and aliases", [name for event in self.events for name in (event.type, *event.aliases)]
        )
        require_distinct("group names", [group.name for group in self.groups])
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
