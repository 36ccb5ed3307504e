"""Flower, which shows and does not steer, behind a login of its own; nobody outside the cluster is let to it."""

import pulumi
import pulumi_random as random
from pulumi_kubernetes.core.v1 import Service, ServicePortArgs, ServiceSpecArgs
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.broker_user import PASSWORD_LENGTH, BrokerUser
from infra.kubernetes import names, network
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.identity import labels
from infra.kubernetes.program import Program
from infra.kubernetes.workload import Workload

PORT = 5555
USER = "millrace"
MEMORY = 512


class Flower(pulumi.ComponentResource):
    """One Flower, reached through its Service: `kubectl port-forward service/flower 5555`; `login` is secret."""

    def __init__(self, url: pulumi.Output[str], user: BrokerUser, cluster: Cluster, *, after: pulumi.Resource) -> None:
        super().__init__("millrace:infra:Flower", names.FLOWER, None, pulumi.ResourceOptions(parent=cluster))
        own = pulumi.ResourceOptions(parent=self, additional_secret_outputs=["result", "bcryptHash"])
        password = random.RandomPassword("flower-login", length=PASSWORD_LENGTH, special=False, opts=own)
        self.login = pulumi.Output.concat(USER, ":", password.result)
        program = Program(
            name=names.FLOWER,
            command=names.module("operations.flower"),
            secrets={"MILLRACE_BROKER_URL": url, "FLOWER_BASIC_AUTH": self.login},
            environment={"FLOWER_ADDRESS": "0.0.0.0", "FLOWER_PORT": str(PORT)},  # noqa: S104 (the pod's own)
            egress=[network.to_broker(cluster.settings.broker)],
            after=user.parts,
            memory=MEMORY,
            port=PORT,
            answers=False,  # its health check is behind the login
            alone=True,
        )
        Workload(program, cluster, after=after, parent=self)
        Service(
            names.FLOWER,
            metadata=ObjectMetaArgs(name=names.FLOWER, namespace=cluster.namespace, labels=dict(cluster.labels)),
            spec=ServiceSpecArgs(
                type="ClusterIP",
                selector=dict(labels(program, cluster)),
                ports=[ServicePortArgs(name="http", port=PORT, target_port=PORT)],
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=cluster.ready),
        )
        self.register_outputs({})
