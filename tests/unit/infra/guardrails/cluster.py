"""What the whole program has on Kubernetes, by type and name, and more that may be added to it."""

from typing import Any

from infra.offline_engine.resources import Resource

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SCALED_OBJECT = "kubernetes:keda.sh/v1alpha1:ScaledObject"
SERVICE = "kubernetes:core/v1:Service"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
QUOTA = "kubernetes:core/v1:ResourceQuota"
BROKER = "kubernetes:rabbitmq.com/v1beta1:RabbitmqCluster"
#: The Deployment, the ScaledObject and the Secret of the one worker group.
WORKER = "worker-signup"
NAMESPACE = "millrace"


def thing(type_: str, name: str, **inputs: Any) -> Resource:
    """A Kubernetes resource of the stack's namespace."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return Resource(urn=f"urn:{type_}:{name}", type=type_, name=name, inputs={"metadata": metadata, **inputs})
