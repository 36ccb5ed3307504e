"""What a guard rail is: a pure check over declared resources, and the limits that a stack may set."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Declared(Protocol):
    """A resource of the program, as the offline engine records it and as a policy pack is given it."""

    @property
    def urn(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> Mapping[str, Any]: ...


def known_as(resource: Declared) -> str:
    """What the resource is called where it lies, which may be another name than the program's for it."""
    return str(resource.inputs.get("name") or resource.name)


class Unknown(str):
    """A value that is known only once the stack is there; it reads as an empty text."""

    __slots__ = ()


UNKNOWN = Unknown()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a stack may set: the most replicas in all, if there is such a bound, and whether an Ingress is asked for."""

    max_replicas: int | None = None
    allow_ingress: bool = False


#: Which resource, and what is wrong with it and what to do.
Finding = tuple[Declared, str]
Check = Callable[[Sequence[Declared], Limits], Iterator[Finding]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A guard rail; every one is mandatory."""

    name: str
    description: str
    check: Check
    #: Whether it looks at each resource by itself: then a policy pack stops that before it is made.
    alone: bool = False
    #: The fields of Limits that it heeds, each with its JSON schema.
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A resource that breaks a rule; `message` says what to do."""

    rule: str
    resource: Declared
    message: str

    def __str__(self) -> str:
        return f"{self.resource.name} ({self.rule}): {self.message}"
