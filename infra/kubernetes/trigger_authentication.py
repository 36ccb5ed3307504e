"""How KEDA reads the broker: as the stack's monitoring user, which may change nothing."""

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.broker_user import BrokerUser
from infra.kubernetes import names
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.secret import secret


class TriggerAuthentication(pulumi.ComponentResource):
    """The management API's URL and login, in a Secret that only KEDA reads."""

    def __init__(self, cluster: Cluster, user: BrokerUser) -> None:
        opts = pulumi.ResourceOptions(parent=cluster)
        super().__init__("millrace:infra:TriggerAuthentication", names.MONITOR, None, opts)
        broker = cluster.settings.broker
        metadata = ObjectMetaArgs(name=names.MONITOR, namespace=cluster.namespace, labels=dict(cluster.labels))
        values: dict[str, pulumi.Input[str]] = {
            "host": broker.management_url,
            "username": user.name,
            "password": user.password,
        }
        if broker.certificate:
            values["tls"] = "enable"
        found = [{"parameter": name, "name": names.MONITOR, "key": name} for name in values]
        if broker.certificate:
            found.append({"parameter": "ca", "name": broker.certificate, "key": "ca.crt"})
        own = pulumi.ResourceOptions(parent=self, depends_on=[*cluster.ready, *user.parts])
        made = secret(names.MONITOR, cluster.namespace, cluster.labels, values, own)
        self.resource = CustomResource(
            names.MONITOR,
            api_version="keda.sh/v1alpha1",
            kind="TriggerAuthentication",
            metadata=metadata,
            spec={"secretTargetRef": found},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[made]),
        )
        self.register_outputs({})
