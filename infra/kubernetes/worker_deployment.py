"""One worker group on Kubernetes: its Deployment, and the ScaledObject by which KEDA counts its pods."""

import pulumi
from millrace.declarations import WorkerGroup
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.kubernetes import names
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.program import Program
from infra.kubernetes.scaled_object import scaled_object_spec
from infra.kubernetes.workload import Workload


class WorkerDeployment(pulumi.ComponentResource):
    """A group's workers, as many as its queue asks for."""

    def __init__(
        self,
        group: WorkerGroup,
        program: Program,
        cluster: Cluster,
        *,
        after: pulumi.Resource,
        monitor: pulumi.Resource,
    ) -> None:
        opts = pulumi.ResourceOptions(parent=cluster)
        super().__init__("millrace:infra:WorkerDeployment", group.name, None, opts)
        workload = Workload(program, cluster, after=after, parent=self)
        name = names.worker(group.name)
        CustomResource(
            name,
            api_version="keda.sh/v1alpha1",
            kind="ScaledObject",
            metadata=ObjectMetaArgs(name=name, namespace=cluster.namespace, labels=dict(cluster.labels)),
            spec=scaled_object_spec(group, cluster.vhost, cluster.settings.concurrency),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[workload.deployment, monitor]),
        )
        self.register_outputs({"name": name})
