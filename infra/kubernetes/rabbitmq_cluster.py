"""RabbitMQ of the stack's own, made by the cluster operator: TLS only, spread over zones, never made smaller."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import NetworkPolicyEgressRuleArgs

from infra.kubernetes import names, network
from infra.kubernetes.broker_settings import AMQPS_PORT, MANAGEMENT_TLS_PORT, BrokerSettings
from infra.kubernetes.quorum import quorum_rules
from infra.kubernetes.secret import secret
from infra.kubernetes.settings import KubernetesSettings
from infra.settings import Settings

ADMINISTRATOR = "broker-administrator"
#: epmd, and the line between nodes; Prometheus.
NODE_PORTS, METRICS_TLS_PORT = (4369, 25672), 15691
#: Neither partition takes writes alone; a queue that fills the disk stops publishers before the node stops.
CONFIGURATION = "cluster_partition_handling = pause_minority\ndisk_free_limit.relative = 1.0\n"
#: What Pod Security asks of each container.
CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


class RabbitmqCluster(pulumi.ComponentResource):
    """A cluster of RabbitMQ with TLS only, and the rules that keep it whole; needs the cluster operator."""

    def __init__(
        self,
        settings: KubernetesSettings,
        whole: Settings,
        *,
        parent: pulumi.Resource,
        after: Sequence[pulumi.Resource],
    ) -> None:
        opts = pulumi.ResourceOptions(parent=parent)
        super().__init__("millrace:infra:RabbitmqCluster", f"{settings.namespace}-broker", None, opts)
        broker, self._namespace = settings.broker, settings.namespace
        own = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        made = [*quorum_rules(self._namespace, own), self._administrator(whole, own), self._network(broker, own)]
        self.cluster = CustomResource(
            names.BROKER,
            api_version="rabbitmq.com/v1beta1",
            kind="RabbitmqCluster",
            metadata=ObjectMetaArgs(
                name=names.BROKER,
                namespace=self._namespace,
                annotations={"pulumi.com/waitFor": "condition=AllReplicasReady"},
            ),
            spec=rabbitmq_spec(broker),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after, *made], protect=whole.protect),
        )
        self.register_outputs({})

    def _administrator(self, whole: Settings, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """The administrator that the settings name, as the operator reads it."""
        user = whole.username
        values: dict[str, pulumi.Input[str]] = {
            "username": user,
            "password": whole.password,
            "default_user.conf": whole.password.apply(lambda word: f"default_user = {user}\ndefault_pass = {word}\n"),
        }
        return secret(ADMINISTRATOR, self._namespace, {}, values, opts)

    def _network(self, broker: BrokerSettings, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """Clients and operators of any namespace, by TLS and with a login; its own nodes; the API server, for peers."""
        ingress = [
            network.from_anywhere(AMQPS_PORT, MANAGEMENT_TLS_PORT, METRICS_TLS_PORT),
            network.from_pods(broker.pod_labels, *NODE_PORTS),
        ]
        return network.policy(
            names.BROKER,
            self._namespace,
            broker.pod_labels,
            ingress=ingress,
            egress=[NetworkPolicyEgressRuleArgs()],
            opts=opts,
        )


def rabbitmq_spec(broker: BrokerSettings) -> Mapping[str, Any]:
    """What the operator is asked for."""
    memory = f"{broker.memory}Mi"
    return {
        "replicas": broker.nodes,
        "persistence": {"storage": f"{broker.disk}Gi"},
        "resources": {"requests": {"cpu": "1", "memory": memory}, "limits": {"memory": memory}},
        "tls": {"secretName": broker.certificate, "disableNonTLSListeners": True},
        "secretBackend": {"externalSecret": {"name": ADMINISTRATOR}},
        "rabbitmq": {"additionalConfig": CONFIGURATION},
        "override": {"statefulSet": {"spec": {"template": {"spec": _pods(broker)}}}},
    }


def _pods(broker: BrokerSettings) -> Mapping[str, Any]:
    """Two nodes in one zone would go down together; Pod Security takes none that may do more."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": dict(broker.pod_labels)},
    }
    return {
        "topologySpreadConstraints": [spread],
        "containers": [{"name": "rabbitmq", "securityContext": CONFINED}],
        "initContainers": [{"name": "setup-container", "securityContext": CONFINED}],
    }
