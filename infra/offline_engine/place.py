"""Where resources are applied: what each server can do, and the broker, which tells all that it has at once."""

from collections.abc import Iterable
from typing import Protocol

from infra.offline_engine.kinds import KINDS, QUEUE
from infra.offline_engine.management import Management
from infra.offline_engine.messages import holding
from infra.offline_engine.resources import Resource


class Place(Protocol):
    """A server and what can be done to a resource there; each method raises ServerProblem."""

    def write(self, resource: Resource) -> None:
        """Create it or put it right."""

    def remove(self, resource: Resource) -> None:
        """Remove it, content with its absence."""

    def held(self, resources: Iterable[Resource]) -> dict[str, int]:
        """How many messages or items removing these would lose, by name; only where there are any."""


class BrokerPlace:
    """RabbitMQ, by its management API; passwords, which lie nowhere but in the state, are of it too."""

    def __init__(self, api: Management) -> None:
        self._api = api

    def write(self, resource: Resource) -> None:
        if resource.type in KINDS:
            KINDS[resource.type].write(resource.inputs, self._api)

    def remove(self, resource: Resource) -> None:
        KINDS[resource.type].remove(resource.inputs, self._api)

    def held(self, resources: Iterable[Resource]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for queue in (one for one in resources if one.type == QUEUE):
            counts |= holding(self._api, queue.inputs["vhost"], [queue.inputs["name"]])
        return counts
