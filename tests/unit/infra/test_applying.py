"""In which order a plan is carried out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from infra.offline_engine.applying import Applying
from infra.offline_engine.kind import Standing
from infra.offline_engine.kinds import POLICY, QUEUE, VHOST
from infra.offline_engine.planning import Plan, Step
from infra.offline_engine.resources import Resource

EXCHANGE = "rabbitmq:index/exchange:Exchange"


@dataclass
class Written:
    """A place that takes everything."""

    names: list[str] = field(default_factory=list)

    def write(self, resource: Resource) -> None:
        self.names.append(resource.name)

    def remove(self, resource: Resource) -> None:
        raise AssertionError(resource)

    def held(self, resources: Iterable[Resource]) -> dict[str, int]:
        raise AssertionError(resources)


def resource(type_: str, name: str, *after: str) -> Resource:
    return Resource(urn=name, type=type_, name=name, inputs={"name": name, "vhost": "v"}, dependencies=after)


def test_policies_come_before_what_else_may_come_with_them() -> None:
    """With each of them the broker goes through all exchanges and queues that there are."""
    declared = (
        resource(VHOST, "v"),
        resource(EXCHANGE, "e1", "v"),
        resource(POLICY, "p1", "v"),
        resource(EXCHANGE, "e2", "v"),
        resource(POLICY, "p2", "v"),
        resource(QUEUE, "q", "p1", "p2"),
    )
    steps = tuple(Step(resource=one, standing=Standing.ABSENT) for one in declared)
    run = Applying(
        place=(place := Written()), plan=Plan(steps=steps, removals=()), progress=print, delete_messages=False
    )
    run.write()
    assert [one.name for one in run.outcome.created] == ["v", "p1", "p2", "e1", "e2", "q"]
    assert sorted(place.names) == sorted(one.name for one in declared)
