"""The stack's part of a cluster: its namespace, closed and bounded, and in it the broker, if it is its own."""

import pulumi
from pulumi_kubernetes.core.v1 import Namespace, ResourceQuota, ResourceQuotaSpecArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.kubernetes import names, network
from infra.kubernetes.provider import provider
from infra.kubernetes.rabbitmq_cluster import RabbitmqCluster
from infra.kubernetes.settings import KubernetesSettings
from infra.settings import Settings

#: Pods that Pod Security calls restricted, and no others.
POD_SECURITY = {
    f"pod-security.kubernetes.io/{mode}{more}": value
    for mode in ("enforce", "audit", "warn")
    for more, value in (("", "restricted"), ("-version", "latest"))
}


class Cluster(pulumi.ComponentResource):
    """One namespace of one cluster; `ready` is what must be there before anything is made in it."""

    def __init__(self, settings: KubernetesSettings, whole: Settings) -> None:
        opts = pulumi.ResourceOptions(providers=[provider(settings)])
        super().__init__("millrace:infra:Cluster", settings.namespace, None, opts)
        self.settings = settings
        self.namespace = settings.namespace
        self.vhost = whole.vhost
        self.labels = {names.STACK_LABEL: whole.vhost}
        namespace = Namespace(
            self.namespace,
            metadata=ObjectMetaArgs(name=self.namespace, labels={**POD_SECURITY, **self.labels}),
            opts=pulumi.ResourceOptions(parent=self, protect=whole.protect),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[namespace])
        # Who has no policy of its own is let do nothing.
        closed = network.policy("closed", self.namespace, {}, opts=after)
        quota = ResourceQuota(
            "pods",
            metadata=ObjectMetaArgs(name="pods", namespace=self.namespace),
            spec=ResourceQuotaSpecArgs(hard={"pods": str(settings.quota)}),
            opts=after,
        )
        self.ready: list[pulumi.Resource] = [namespace, closed, quota]
        #: The broker, if it is made here: it must be there before anything is made in it.
        self.broker: list[pulumi.Resource] = []
        if settings.broker.nodes:
            self.broker = [RabbitmqCluster(settings, whole, parent=self, after=self.ready).cluster]
        self.register_outputs({"namespace": self.namespace})


def cluster_of(settings: Settings) -> Cluster | None:
    """The cluster of a stack that has one."""
    return Cluster(settings.kubernetes, settings) if settings.kubernetes else None
