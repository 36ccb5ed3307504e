"""What a program is on Kubernetes: a ServiceAccount without a token, a Secret of its own, a network policy."""

import hashlib
from collections.abc import Mapping

import pulumi
from pulumi_kubernetes.core.v1 import ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.kubernetes import names, network
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.program import Program
from infra.kubernetes.secret import secret

#: How EKS knows which IAM role a ServiceAccount's pods have.
ROLE = "eks.amazonaws.com/role-arn"


def labels(program: Program, cluster: Cluster) -> Mapping[str, str]:
    """What tells the program's pods from all others."""
    return {names.NAME_LABEL: program.name, **cluster.labels}


def identity(program: Program, cluster: Cluster, parent: pulumi.Resource) -> list[pulumi.Resource]:
    """Make the three; its pods must come after them."""
    opts = pulumi.ResourceOptions(parent=parent, depends_on=cluster.ready)
    account = ServiceAccount(
        program.name,
        metadata=ObjectMetaArgs(
            name=program.name,
            namespace=cluster.namespace,
            labels=dict(cluster.labels),
            annotations={ROLE: program.role} if program.role else None,
        ),
        automount_service_account_token=False,
        opts=opts,
    )
    told = secret(program.name, cluster.namespace, cluster.labels, program.secrets, opts)
    allowed = network.policy(
        program.name,
        cluster.namespace,
        labels(program, cluster),
        ingress=[network.from_anywhere(program.port)] if program.port else [],
        egress=[*program.egress, network.to_dns()],
        opts=opts,
    )
    return [account, told, allowed]


def digest(secrets: Mapping[str, pulumi.Output[str]]) -> pulumi.Output[str]:
    """Changes when a secret does; it tells nothing of them, for a password of 40 random letters is among them."""
    whole = pulumi.Output.json_dumps(dict(secrets), sort_keys=True)
    return pulumi.Output.unsecret(whole.apply(lambda text: hashlib.sha256(text.encode()).hexdigest()))
