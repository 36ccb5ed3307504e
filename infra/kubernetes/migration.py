"""The store's tables, brought up to date before anything of an image starts."""

import pulumi
from pulumi_kubernetes.batch.v1 import Job, JobSpecArgs
from pulumi_kubernetes.core.v1 import PodTemplateSpecArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.kubernetes import names, network
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.identity import identity, labels
from infra.kubernetes.pods import pod_spec
from infra.kubernetes.program import Program

#: So often a migration is tried again before it counts as failed; it is one transaction.
TRIES = 4


class Migration(pulumi.ComponentResource):
    """A Job per image; `job` has ended when Pulumi goes on, for it waits for Jobs."""

    def __init__(self, cluster: Cluster) -> None:
        settings = cluster.settings
        super().__init__("millrace:infra:Migration", names.MIGRATE, None, pulumi.ResourceOptions(parent=cluster))
        program = Program(
            name=names.MIGRATE,
            command=names.module("workers.migrate"),
            secrets={"MILLRACE_DATABASE_URL": settings.database_url},
            egress=network.to_reaches(settings.database),
            port=None,
        )
        made = identity(program, cluster, self)
        spec = pod_spec(program, settings)
        spec.restart_policy = "Never"  # each try is a pod of its own, whose log stays
        metadata = ObjectMetaArgs(labels=dict(labels(program, cluster)))
        name = names.migration(settings.image)
        self.job = Job(
            names.MIGRATE,
            metadata=ObjectMetaArgs(name=name, namespace=cluster.namespace, labels=dict(cluster.labels)),
            spec=JobSpecArgs(backoff_limit=TRIES, template=PodTemplateSpecArgs(metadata=metadata, spec=spec)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=made),
        )
        self.register_outputs({"name": name})
