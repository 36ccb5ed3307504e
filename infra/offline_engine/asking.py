"""A place that has no request for everything it has, so each resource is asked for, several at once."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from infra.offline_engine.kind import Standing
from infra.offline_engine.management import CONNECTIONS
from infra.offline_engine.planning import Plan, Step, left_over
from infra.offline_engine.resources import Resource
from infra.offline_engine.state import State


class AskedPlace(ABC):
    """Plans by asking for each resource."""

    @abstractmethod
    def step(self, resource: Resource) -> Step:
        """How it stands; raises ServerProblem."""

    @abstractmethod
    def write(self, resource: Resource) -> None:
        """Create it or put it right; raises ServerProblem."""

    @abstractmethod
    def remove(self, resource: Resource) -> None:
        """Remove it, content with its absence; raises ServerProblem."""

    @abstractmethod
    def held(self, resources: Iterable[Resource]) -> dict[str, int]:
        """How many messages or items removing these would lose; raises ServerProblem."""

    def is_there(self, resource: Resource) -> bool:
        """Whether it has this, in whatever form, and it is ours to remove; raises ServerProblem."""
        return self.step(resource).standing is not Standing.ABSENT

    def plan(self, declared: tuple[Resource, ...], before: State) -> Plan:
        """What is to be done so that it has what is declared and nothing more of ours; raises ServerProblem."""
        left = left_over(declared, before)
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="look") as executor:
            steps = tuple(executor.map(self.step, declared))
            there = tuple(executor.map(self.is_there, left))
        removals = tuple(one for one, is_there in zip(left, there, strict=True) if is_there)
        return Plan(steps=steps, removals=removals)
