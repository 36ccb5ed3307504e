"""The Pulumi program: one stack is one vhost with all that the catalog declares, at AWS and on Kubernetes too."""

import pulumi
import pulumi_rabbitmq as rabbitmq
from millrace import topology
from millrace.catalog import CATALOG
from millrace.declarations import Catalog

from infra.aws.door import aws_door
from infra.backbone import Backbone
from infra.broker_user import BrokerUser
from infra.delays import Delays
from infra.group import Group
from infra.kubernetes.cluster import cluster_of
from infra.kubernetes.fleet import fleet
from infra.ownership import refusing_offline
from infra.settings import Settings
from infra.virtual_host import VirtualHost


def declare(catalog: Catalog, settings: Settings) -> None:
    """Declare the whole stack; called once in a run."""
    if settings.aws is None:
        catalog = catalog.without_aws()
    cluster = cluster_of(settings)
    provider = rabbitmq.Provider(
        "broker",
        endpoint=settings.endpoint,
        username=settings.username,
        password=settings.password,
        opts=pulumi.ResourceOptions(depends_on=cluster.broker if cluster else []),
    )
    host = VirtualHost(settings, provider=provider)
    users = [*Backbone(catalog, host).users]
    Delays(host)
    groups = {group.name: Group(group, catalog, host) for group in catalog.groups}
    users += [user for group in groups.values() for user in group.users]
    users += [BrokerUser(topology.service_user(service, host.name), host) for service in catalog.services]

    if settings.aws is not None and catalog.uses_aws:
        aws_door(catalog, settings.aws, host.name, protect=settings.protect)
    if cluster is not None:
        fleet(catalog, cluster, groups, {user.name: user for user in users}, settings.aws)

    pulumi.export("vhost", host.name)
    pulumi.export("user_names", [user.name for user in users])
    pulumi.export("users", pulumi.Output.secret({user.name: user.password for user in users}))


if __name__ == "__main__":
    declare(CATALOG, refusing_offline(Settings.load()))
