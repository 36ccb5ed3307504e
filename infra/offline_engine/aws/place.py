"""AWS as a place to apply resources to."""

from collections.abc import Iterable

from infra.offline_engine.asking import AskedPlace
from infra.offline_engine.aws.clients import Clients, as_problem
from infra.offline_engine.aws.kinds import AWS_KINDS
from infra.offline_engine.planning import Step
from infra.offline_engine.resources import Resource


class AwsPlace(AskedPlace):
    """One account."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def step(self, resource: Resource) -> Step:
        with as_problem(self._clients.target):
            standing = AWS_KINDS[resource.type].standing(resource.inputs, self._clients)
        return Step(resource=resource, standing=standing)

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
