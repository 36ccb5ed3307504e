"""Everything of a stack that runs on Kubernetes."""

from collections.abc import Mapping

import pulumi
from millrace.declarations import Catalog

from infra.aws.settings import AwsSettings
from infra.broker_user import BrokerUser
from infra.group import Group
from infra.kubernetes import names
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.flower import Flower
from infra.kubernetes.migration import Migration
from infra.kubernetes.programs import RELAYS, Programs
from infra.kubernetes.settings import KubernetesSettings
from infra.kubernetes.trigger_authentication import TriggerAuthentication
from infra.kubernetes.worker_deployment import WorkerDeployment
from infra.kubernetes.workload import Workload
from infra.refusal import Refused

#: What runs once: keeper, Flower and the migration.
SINGLE = 3


def fleet(
    catalog: Catalog,
    cluster: Cluster,
    groups: Mapping[str, Group],
    users: Mapping[str, BrokerUser],
    aws: AwsSettings | None,
) -> None:
    """Declare every process of the stack, migrations first; `groups` and `users` are those at the broker, by name.

    Raises Refused if the settings speak of groups that are not there, or the quota has no room.
    """
    require_fit(catalog, cluster.settings)
    programs = Programs(cluster, users)
    migrated = Migration(cluster).job
    monitor = TriggerAuthentication(cluster, programs.own_user("monitor")).resource
    for group in catalog.groups:
        WorkerDeployment(group, programs.worker(group, groups[group.name]), cluster, after=migrated, monitor=monitor)
    for program in (programs.relay(), programs.keeper()):
        Workload(program, cluster, after=migrated)
    if aws is not None and catalog.uses_aws:
        for name in names.AWS_DOOR:
            Workload(programs.at_the_door(name, aws), cluster, after=migrated)
    user = programs.own_user("flower")
    flower = Flower(programs.broker_url(user), user, cluster, after=migrated)
    pulumi.export("flowerLogin", pulumi.Output.secret(flower.login))


def require_fit(catalog: Catalog, settings: KubernetesSettings) -> None:
    """Raise Refused if a group in the settings is not in the catalog, or not all that may run fits into the quota."""
    unknown = sorted(settings.reaches.keys() - {group.name for group in catalog.groups})
    if unknown:
        raise Refused(f"groupNetworks must name groups of the catalog, got {', '.join(unknown)}")
    needed = most_pods(catalog) + settings.broker.nodes
    if settings.quota < needed:
        raise Refused(
            f"podQuota must be at least {needed}: every group at its largest, all else, and as many "
            f"of before that still end; got {settings.quota}"
        )


def most_pods(catalog: Catalog) -> int:
    """The most pods that run at a time: in a rollout of everything, all of the old still ending what they have."""
    counts = [*(group.replicas[1] for group in catalog.groups), RELAYS]
    counts += [1] * (len(names.AWS_DOOR) if catalog.uses_aws else 0)
    return 2 * sum(counts) + SINGLE
