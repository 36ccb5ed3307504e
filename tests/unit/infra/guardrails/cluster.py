"""A small good stack on Kubernetes: one group with its scaler, and what runs beside it."""

from typing import Any

from infra.offline_engine.resources import Resource
from tests.unit.infra.guardrails.breaking import DIGEST

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SCALED_OBJECT = "kubernetes:keda.sh/v1alpha1:ScaledObject"
SERVICE = "kubernetes:core/v1:Service"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
QUOTA = "kubernetes:core/v1:ResourceQuota"
NAMESPACE = "millrace"


def thing(type_: str, name: str, **inputs: Any) -> Resource:
    """A Kubernetes resource of the stack's namespace."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return Resource(urn=f"urn:{type_}:{name}", type=type_, name=name, inputs={"metadata": metadata, **inputs})


def template(*command: str) -> dict[str, Any]:
    """A pod that keeps to all rules."""
    container = {
        "name": "main",
        "image": DIGEST,
        "command": list(command),
        "env": [
            {"name": "MILLRACE_BROKER_URL", "valueFrom": {"secretKeyRef": {"name": "signup", "key": "broker-url"}}},
            {"name": "MILLRACE_METRICS_PORT", "value": "9100"},
        ],
        "ports": [{"name": "metrics", "containerPort": 9100}],
        "resources": {"limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
        "livenessProbe": {"httpGet": {"path": "/live", "port": "metrics"}},
    }
    spec = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    return {"metadata": {"annotations": {"millrace/secret-digest": "0" * 64}}, "spec": spec}


STACK = (
    thing(DEPLOYMENT, "signup", spec={"template": template("python", "-m", "workers", "signup")}),
    thing(
        SCALED_OBJECT,
        "signup",
        spec={"scaleTargetRef": {"kind": "Deployment", "name": "signup"}, "maxReplicaCount": 8},
    ),
    thing(DEPLOYMENT, "relay", spec={"replicas": 2, "template": template("python", "-m", "workers.relay")}),
    thing(SERVICE, "flower", spec={"type": "ClusterIP", "ports": [{"port": 5555}]}),
    thing(CONFIG_MAP, "settings", data={"MILLRACE_RETENTION_DAYS": "30"}),
    thing(SECRET, "signup", stringData={"broker-url": "amqp://signup:opensesame@broker/millrace"}),
    thing(QUOTA, "pods", spec={"hard": {"pods": "20"}}),
)
