"""What a topology is made of: exchanges, queues, bindings, policies and users, as plain data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str = "topic"


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A durable queue; all but its type is set by policy, except where kombu fixes the arguments (delays)."""

    name: str
    kind: str = "quorum"
    arguments: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A binding from an exchange to a queue or another exchange."""

    source: str
    destination: str
    key: str
    to_exchange: bool = False


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The one policy of one queue or exchange (`pattern` matches just its name)."""

    name: str
    target: str
    definition: Mapping[str, str | int]
    apply_to: str = "queues"

    @property
    def pattern(self) -> str:
        """The regular expression that matches just the target."""
        return f"^{re.escape(self.target)}$"


@dataclass(frozen=True, kw_only=True)
class TopicPermission:
    """Which routing keys a user may write to a topic exchange."""

    exchange: str
    write: str


@dataclass(frozen=True, kw_only=True)
class User:
    """A broker user with its permissions (regular expressions) on the stack's vhost."""

    name: str
    configure: str = "^$"
    write: str = "^$"
    read: str = "^$"
    tags: tuple[str, ...] = ()
    topics: tuple[TopicPermission, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Topology:
    """All that one part of a stack needs; parts can be added up."""

    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()
    policies: tuple[Policy, ...] = ()
    users: tuple[User, ...] = ()

    def __add__(self, other: "Topology") -> "Topology":
        return Topology(
            exchanges=self.exchanges + other.exchanges,
            queues=self.queues + other.queues,
            bindings=self.bindings + other.bindings,
            policies=self.policies + other.policies,
            users=self.users + other.users,
        )
