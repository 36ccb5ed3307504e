"""A program that runs for ever: its Deployment, with all that belongs to it."""

import pulumi
from pulumi_kubernetes.apps.v1 import (
    Deployment,
    DeploymentSpecArgs,
    DeploymentStrategyArgs,
    RollingUpdateDeploymentArgs,
)
from pulumi_kubernetes.core.v1 import PodTemplateSpecArgs, TopologySpreadConstraintArgs
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpecArgs

from infra.kubernetes.cluster import Cluster
from infra.kubernetes.identity import digest, identity, labels
from infra.kubernetes.pods import pod_spec
from infra.kubernetes.program import Program

ZONE = "topology.kubernetes.io/zone"
SECRET_DIGEST = "millrace/secret-digest"  # noqa: S105 (an annotation's name)
#: Percent: in a rollout so many more run, one at least; none goes before another is ready.
SURGE = 25


class Workload(pulumi.ComponentResource):
    """A program's Deployment, ServiceAccount, Secret, NetworkPolicy and PodDisruptionBudget."""

    def __init__(
        self, program: Program, cluster: Cluster, *, after: pulumi.Resource, parent: pulumi.Resource | None = None
    ) -> None:
        opts = pulumi.ResourceOptions(parent=parent or cluster)
        super().__init__("millrace:infra:Workload", program.name, None, opts)
        selector = LabelSelectorArgs(match_labels=dict(labels(program, cluster)))
        metadata = ObjectMetaArgs(name=program.name, namespace=cluster.namespace, labels=dict(cluster.labels))
        made = identity(program, cluster, self)
        self.deployment = Deployment(
            program.name,
            metadata=metadata,
            spec=DeploymentSpecArgs(
                replicas=program.replicas,
                selector=selector,
                strategy=_strategy(program),
                template=_template(program, cluster, selector),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*made, *program.after, after]),
        )
        PodDisruptionBudget(
            program.name,
            metadata=metadata,
            spec=PodDisruptionBudgetSpecArgs(max_unavailable=1, selector=selector),
            opts=pulumi.ResourceOptions(parent=self, depends_on=cluster.ready),
        )
        self.register_outputs({"name": program.name})


def _strategy(program: Program) -> DeploymentStrategyArgs:
    if program.alone:
        return DeploymentStrategyArgs(type="Recreate")
    rolling = RollingUpdateDeploymentArgs(max_surge=f"{SURGE}%", max_unavailable=0)
    return DeploymentStrategyArgs(type="RollingUpdate", rolling_update=rolling)


def _template(program: Program, cluster: Cluster, selector: LabelSelectorArgs) -> PodTemplateSpecArgs:
    spec = pod_spec(program, cluster.settings)
    spec.topology_spread_constraints = [
        TopologySpreadConstraintArgs(
            max_skew=1, topology_key=ZONE, when_unsatisfiable="ScheduleAnyway", label_selector=selector
        )
    ]
    metadata = ObjectMetaArgs(
        labels=dict(labels(program, cluster)), annotations={SECRET_DIGEST: digest(program.secrets)}
    )
    return PodTemplateSpecArgs(metadata=metadata, spec=spec)
