"""What keeps a RabbitmqCluster whole: the API server refuses a number of nodes that would cost queues their majority.

The program does not know how many there were before; the server does, and says so in a preview too.
"""

import pulumi
from pulumi_kubernetes.admissionregistration.v1 import (
    MatchResourcesArgs,
    NamedRuleWithOperationsArgs,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpecArgs,
    ValidatingAdmissionPolicySpecArgs,
    ValidationArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

ODD = ("object.spec.replicas % 2 == 1", "spec.replicas must be odd: queues need a majority")
NOT_SMALLER = (
    "oldObject == null || object.spec.replicas >= oldObject.spec.replicas",
    "spec.replicas must not be less than before: a node that goes takes its copies of queues along",
)


def quorum_rules(namespace: str, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """Both rules, for the clusters of one namespace."""
    name = f"{namespace}-broker-quorum"
    kind = NamedRuleWithOperationsArgs(
        api_groups=["rabbitmq.com"],
        api_versions=["*"],
        resources=["rabbitmqclusters"],
        operations=["CREATE", "UPDATE"],
    )
    policy = ValidatingAdmissionPolicy(
        name,
        metadata=ObjectMetaArgs(name=name),
        spec=ValidatingAdmissionPolicySpecArgs(
            failure_policy="Fail",
            match_constraints=MatchResourcesArgs(resource_rules=[kind]),
            validations=[ValidationArgs(expression=rule, message=message) for rule, message in (ODD, NOT_SMALLER)],
        ),
        opts=opts,
    )
    here = LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": namespace})
    binding = ValidatingAdmissionPolicyBinding(
        name,
        metadata=ObjectMetaArgs(name=name),
        spec=ValidatingAdmissionPolicyBindingSpecArgs(
            policy_name=name,
            validation_actions=["Deny"],
            match_resources=MatchResourcesArgs(namespace_selector=here),
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[policy])),
    )
    return [policy, binding]
