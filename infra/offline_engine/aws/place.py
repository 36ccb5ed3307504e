"""AWS as a place to apply resources to."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from infra.offline_engine.aws.clients import Clients, as_problem
from infra.offline_engine.aws.kinds import AWS_KINDS
from infra.offline_engine.kind import Standing
from infra.offline_engine.kinds import identity
from infra.offline_engine.management import CONNECTIONS
from infra.offline_engine.planning import Plan, Step, left_over
from infra.offline_engine.resources import Resource
from infra.offline_engine.state import State


class AwsPlace:
    """One account; has no request for everything, so each resource is asked for, several at once."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def plan(self, declared: tuple[Resource, ...], before: State) -> Plan:
        """What is to be done so that the account has what is declared and nothing more of ours."""
        left = left_over(declared, before)
        standing = self.standings((*declared, *left))
        steps = tuple(Step(resource=one, standing=standing[identity(one)]) for one in declared)
        there = tuple(one for one in left if standing[identity(one)] is not Standing.ABSENT)
        return Plan(steps=steps, removals=there)

    def standings(self, resources: tuple[Resource, ...]) -> dict[tuple[str, ...], Standing]:
        """How each stands, by its identity."""
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="look") as executor:
            found = executor.map(self._standing, resources)
            return dict(zip(map(identity, resources), found, strict=True))

    def write(self, resource: Resource) -> None:
        with as_problem(self._clients.target):
            AWS_KINDS[resource.type].write(resource.inputs, self._clients)

    def remove(self, resource: Resource) -> None:
        with as_problem(self._clients.target):
            AWS_KINDS[resource.type].remove(resource.inputs, self._clients)

    def held(self, resources: Iterable[Resource]) -> dict[str, int]:
        with as_problem(self._clients.target):
            counts = {one.name: AWS_KINDS[one.type].held(one.inputs, self._clients) for one in resources}
        return {name: count for name, count in counts.items() if count}

    def _standing(self, resource: Resource) -> Standing:
        with as_problem(self._clients.target):
            return AWS_KINDS[resource.type].standing(resource.inputs, self._clients)
