"""Compares what is declared with what the broker has and what was made before; pure."""

from dataclasses import dataclass

from infra.offline_engine.changes import Changes
from infra.offline_engine.errors import ForeignStack
from infra.offline_engine.kind import Standing
from infra.offline_engine.kinds import KINDS, VHOST, identity, label
from infra.offline_engine.live import Live
from infra.offline_engine.recording import RANDOM_PASSWORD
from infra.offline_engine.resources import Resource
from infra.offline_engine.state import State


@dataclass(frozen=True, kw_only=True)
class Step:
    """A declared resource and how it stands."""

    resource: Resource
    standing: Standing
    #: Why it cannot be put right, where its kind alone does not tell.
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is declared, in dependency order; what is to be removed, in the reverse order."""

    steps: tuple[Step, ...]
    removals: tuple[Resource, ...]

    def changes(self) -> Changes:
        """What applying all of it changes."""
        return Changes(
            created=tuple(label(step.resource) for step in self.steps if step.standing is Standing.ABSENT),
            updated=tuple(label(step.resource) for step in self.steps if step.standing is Standing.WRONG),
            deleted=tuple(label(resource) for resource in self.removals),
            unchanged=sum(step.standing is Standing.RIGHT for step in self.steps),
        )


def plan(declared: tuple[Resource, ...], state: State, live: Live) -> Plan:
    """What is to be done so that the broker has what is declared and nothing more of ours."""
    owned = {identity(resource) for resource in state.resources}
    steps = tuple(Step(resource=one, standing=_standing(one, owned, live)) for one in declared)
    return Plan(steps=steps, removals=tuple(one for one in left_over(declared, state) if is_there(one, live)))


def left_over(declared: tuple[Resource, ...], state: State) -> tuple[Resource, ...]:
    """What the state has and the program no longer declares, dependents first."""
    wanted = {identity(resource) for resource in declared}
    return tuple(one for one in reversed(state.resources) if identity(one) not in wanted)


def is_there(resource: Resource, live: Live) -> bool:
    """Whether the broker has it, in whatever form."""
    if resource.type == RANDOM_PASSWORD:
        return False
    return KINDS[resource.type].standing(resource.inputs, live) is not Standing.ABSENT


def _standing(resource: Resource, owned: set[tuple[str, ...]], live: Live) -> Standing:
    if resource.type == RANDOM_PASSWORD:
        return Standing.RIGHT if identity(resource) in owned else Standing.ABSENT
    return KINDS[resource.type].standing(resource.inputs, live)


def require_own(declared: tuple[Resource, ...], state: State, live: Live) -> None:
    """Raise ForeignStack if a declared vhost is there, with something in it, but is not ours."""
    ours = {identity(resource) for resource in state.resources} if state.cluster in {"", live.cluster} else set()
    for resource in declared:
        name = resource.name
        foreign = resource.type == VHOST and name in live.vhosts and identity(resource) not in ours
        if foreign and not live.is_empty(name):
            raise ForeignStack(
                f"vhost {name!r} exists at this broker and was not made from this state: another engine (pulumi) or "
                "another machine manages it; use that one, choose another stack, or adopt it"
            )
