"""What may talk to whom: each pod reaches what it needs and nothing else, and is asked for its health and metrics."""

from collections.abc import Iterable, Mapping, Sequence

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgs,
    NetworkPolicy,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)

from infra.kubernetes.addresses import Reach
from infra.kubernetes.broker_settings import BrokerSettings

DNS_PORT = 53
#: Where cluster DNS runs, and where nodes answer for it (NodeLocal DNSCache).
DNS_NAMESPACE = {"kubernetes.io/metadata.name": "kube-system"}
NODE_DNS = "169.254.20.10/32"


def to_networks(networks: Iterable[str], ports: Iterable[int]) -> NetworkPolicyEgressRuleArgs:
    """Let pods reach these networks at these TCP ports."""
    return NetworkPolicyEgressRuleArgs(to=[_block(one) for one in networks], ports=[_port(one) for one in ports])


def to_reaches(reaches: Iterable[Reach]) -> list[NetworkPolicyEgressRuleArgs]:
    """Let pods reach each of these."""
    return [to_networks([one.network], [one.port]) for one in reaches]


def to_broker(broker: BrokerSettings) -> NetworkPolicyEgressRuleArgs:
    """Let pods reach the broker, and its management API."""
    ports = sorted({broker.management.port, *(one.port for one in broker.amqp)})
    if not broker.nodes:
        return to_networks(broker.networks, ports)
    return NetworkPolicyEgressRuleArgs(to=[_pods(broker.pod_labels)], ports=[_port(one) for one in ports])


def to_dns() -> NetworkPolicyEgressRuleArgs:
    """Let pods ask for addresses."""
    cluster = NetworkPolicyPeerArgs(namespace_selector=LabelSelectorArgs(match_labels=DNS_NAMESPACE))
    ports = [_port(DNS_PORT, "UDP"), _port(DNS_PORT)]
    return NetworkPolicyEgressRuleArgs(to=[cluster, _block(NODE_DNS)], ports=ports)


def from_anywhere(*ports: int) -> NetworkPolicyIngressRuleArgs:
    """Let these ports be asked by all: the kubelet, Prometheus, whoever has a login."""
    return NetworkPolicyIngressRuleArgs(ports=[_port(one) for one in ports])


def from_pods(labels: Mapping[str, str], *ports: int) -> NetworkPolicyIngressRuleArgs:
    """Let pods of this namespace ask these ports."""
    return NetworkPolicyIngressRuleArgs(from_=[_pods(labels)], ports=[_port(one) for one in ports])


def policy(
    name: str,
    namespace: str,
    labels: Mapping[str, str],
    *,
    ingress: Sequence[NetworkPolicyIngressRuleArgs] = (),
    egress: Sequence[NetworkPolicyEgressRuleArgs] = (),
    opts: pulumi.ResourceOptions,
) -> NetworkPolicy:
    """Let the pods with these labels (all, without any) do this, and nothing else that no other policy lets them do."""
    return NetworkPolicy(
        name,
        metadata=ObjectMetaArgs(name=name, namespace=namespace),
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(match_labels=dict(labels)),
            policy_types=["Ingress", "Egress"],
            ingress=list(ingress),
            egress=list(egress),
        ),
        opts=opts,
    )


def _block(network: str) -> NetworkPolicyPeerArgs:
    return NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr=network))


def _pods(labels: Mapping[str, str]) -> NetworkPolicyPeerArgs:
    return NetworkPolicyPeerArgs(pod_selector=LabelSelectorArgs(match_labels=dict(labels)))


def _port(port: int, protocol: str = "TCP") -> NetworkPolicyPortArgs:
    return NetworkPolicyPortArgs(port=port, protocol=protocol)
