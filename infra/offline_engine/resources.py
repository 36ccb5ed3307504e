"""A resource as the program declares it, and as the state keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Inputs = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource: its Pulumi name and type, its resolved inputs, and the names of those it depends on."""

    urn: str
    type: str
    name: str
    inputs: Inputs
    dependencies: tuple[str, ...] = ()


def levels(resources: tuple[Resource, ...]) -> list[list[Resource]]:
    """The resources in steps: each depends only on those of steps before its own.

    They must come in dependency order, which is the order in which a program registers them.
    """
    depth: dict[str, int] = {}
    steps: list[list[Resource]] = []
    for resource in resources:
        level = 1 + max((depth[urn] for urn in resource.dependencies if urn in depth), default=-1)
        depth[resource.urn] = level
        if level == len(steps):
            steps.append([])
        steps[level].append(resource)
    return steps
