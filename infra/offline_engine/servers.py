"""The servers of one run: the broker, and AWS and Kubernetes where they are not away."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from infra.offline_engine.asking import AskedPlace
from infra.offline_engine.aws import clients
from infra.offline_engine.aws.place import AwsPlace
from infra.offline_engine.aws.target import AWAY as AWS_AWAY
from infra.offline_engine.aws.target import AwsTarget
from infra.offline_engine.errors import ForeignStack
from infra.offline_engine.kubernetes import api as kubernetes_api
from infra.offline_engine.kubernetes.place import KubernetesPlace
from infra.offline_engine.kubernetes.target import KubernetesTarget
from infra.offline_engine.live import Live
from infra.offline_engine.management import Management
from infra.offline_engine.place import BrokerPlace
from infra.offline_engine.project import defaults
from infra.offline_engine.resources import Resource
from infra.offline_engine.sides import Side, Where, asked_side, broker_side, made_at, where_is
from infra.offline_engine.state import State


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Those that answer."""

    api: Management
    #: what of the program's configuration is of them
    config: dict[str, str]
    aws: AwsPlace | None
    kubernetes: KubernetesPlace | None

    def asked(self) -> Iterator[tuple[Where, AskedPlace]]:
        """Those that are asked for each resource."""
        if self.aws is not None:
            yield Where.AWS, self.aws
        if self.kubernetes is not None:
            yield Where.KUBERNETES, self.kubernetes

    def is_away(self, resource: Resource) -> bool:
        """Whether its server is."""
        return where_is(resource) not in {Where.BROKER, *(where for where, _ in self.asked())}

    def away(self, resources: Iterable[Resource]) -> tuple[Resource, ...]:
        """Those whose server is."""
        return tuple(one for one in resources if self.is_away(one))

    def sides(self, declared: tuple[Resource, ...], before: State, live: Live) -> tuple[Side, ...]:
        """What is to be done at each; raises ServerProblem."""
        asked = (asked_side(place, where, declared, before) for where, place in self.asked())
        return broker_side(BrokerPlace(self.api), declared, before, live), *asked

    def kubernetes_uid(self, before: State) -> str:
        """Which Kubernetes the state is of after the run; raises ForeignStack if it is of another one."""
        if self.kubernetes is None:
            return before.kubernetes
        if made_at(Where.KUBERNETES, before).resources and before.kubernetes != self.kubernetes.uid:
            raise ForeignStack(
                "the state is of another Kubernetes cluster than the one whose context is named; name that one, or "
                "destroy the stack there first"
            )
        return self.kubernetes.uid


@contextmanager
def connected(
    stack: str,
    url: str,
    user: str,
    password: str,
    aws: AwsTarget | None,
    kubernetes: KubernetesTarget | None,
    *,
    adopt: bool = False,
) -> Iterator[Servers]:
    """The broker, and the others unless they are None; raises ServerProblem."""
    with ExitStack() as opened:
        api = opened.enter_context(Management(url, user, password))
        cloud = AwsPlace(opened.enter_context(clients.connected(aws))) if aws else None
        cluster = opened.enter_context(kubernetes_api.connected(kubernetes, stack)) if kubernetes else None
        broker = {"endpoint": api.url, "username": user, "password": password, "protect": "true"}
        yield Servers(
            api=api,
            config=defaults() | broker | _config(aws, kubernetes),
            aws=cloud,
            kubernetes=KubernetesPlace(cluster, adopt=adopt) if cluster else None,
        )


def _config(aws: AwsTarget | None, kubernetes: KubernetesTarget | None) -> dict[str, str]:
    if kubernetes is None:
        return (aws or AWS_AWAY).config()
    # No pod reaches a stand-in on this machine, so while AWS is away nothing is declared there.
    return (aws.config() if aws else {}) | kubernetes.config()
