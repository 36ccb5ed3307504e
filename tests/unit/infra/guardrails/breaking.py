"""Breaks one thing of a stack that is otherwise good, and says which rules notice."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from infra.guardrails import Limits, violations
from infra.offline_engine.resources import Resource

Stack = tuple[Resource, ...]
Edit = Callable[[dict[str, Any]], object]
DIGEST = "registry.example.com/millrace@sha256:" + "0123456789abcdef" * 4


def edited(stack: Stack, type_: str, name: str, edit: Edit) -> Stack:
    """The stack with the inputs of one resource edited; it must be there."""
    place = [index for index, one in enumerate(stack) if (one.type, one.name) == (type_, name)]
    assert len(place) == 1, (type_, name, len(place))
    inputs = copy.deepcopy(dict(stack[place[0]].inputs))
    edit(inputs)
    return (*stack[: place[0]], replace(stack[place[0]], inputs=inputs), *stack[place[0] + 1 :])


def without(stack: Stack, type_: str, name: str) -> Stack:
    """The stack without one resource, which must have been there."""
    left = tuple(one for one in stack if (one.type, one.name) != (type_, name))
    assert len(left) == len(stack) - 1, (type_, name)
    return left


def broken(stack: Iterable[Resource], limits: Limits | None = None) -> set[tuple[str, str]]:
    """Which rules are broken, and by which resources."""
    return {(found.rule, found.resource.name) for found in violations(tuple(stack), limits)}


def messages(stack: Iterable[Resource], limits: Limits | None = None) -> list[str]:
    """What is said about a stack."""
    return [found.message for found in violations(tuple(stack), limits)]


def set_at(*path: str | int, to: object) -> Edit:
    """An edit that sets what lies at a path, making the records on the way."""

    def edit(inputs: dict[str, Any]) -> None:
        here: Any = inputs
        for key in path[:-1]:
            here = here[key] if isinstance(key, int) else here.setdefault(key, {})
        here[path[-1]] = to

    return edit


def drop(*path: str | int) -> Edit:
    """An edit that takes away what lies at a path."""

    def edit(inputs: dict[str, Any]) -> None:
        here: Any = inputs
        for key in path[:-1]:
            here = here[key]
        del here[path[-1]]

    return edit
