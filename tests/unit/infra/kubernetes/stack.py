"""A stack on Kubernetes for tests, and ways to look at what it declares."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from millrace import catalog
from millrace.declarations import Catalog, WorkerGroup, seconds

from infra.offline_engine.recording import Recording

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
SCALED_OBJECT = "kubernetes:keda.sh/v1alpha1:ScaledObject"
TRIGGER_AUTHENTICATION = "kubernetes:keda.sh/v1alpha1:TriggerAuthentication"
SECRET = "kubernetes:core/v1:Secret"
SERVICE = "kubernetes:core/v1:Service"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
NAMESPACE = "kubernetes:core/v1:Namespace"
QUOTA = "kubernetes:core/v1:ResourceQuota"
DISRUPTION = "kubernetes:policy/v1:PodDisruptionBudget"
CLUSTER = "kubernetes:rabbitmq.com/v1beta1:RabbitmqCluster"
ADMISSION = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"
ADMISSION_BINDING = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding"

DIGEST = "sha256:" + "0123456789abcdef" * 4
#: The sample, and groups at the ends of what may be declared: a lane from zero with little memory, half a day alone.
CATALOG = Catalog(
    events=catalog.CATALOG.events,
    groups=[
        *catalog.CATALOG.groups,
        WorkerGroup(
            "clicks",
            handles=catalog.CATALOG.groups[0].handles,
            longest_runtime=seconds(0.05),
            replicas=(0, 8),
            memory=320,
        ),
        WorkerGroup("reports", handles=catalog.CATALOG.groups[0].handles, longest_runtime=seconds(43_200), memory=2048),
    ],
    services=catalog.CATALOG.services,
    functions=catalog.CATALOG.functions,
)
#: For what is the same with any groups; of these two the settings speak.
SMALL = Catalog(
    events=CATALOG.events, groups=[one for one in CATALOG.groups if one.name in ("notifications", "signup")]
)
DATABASE_URL = "postgresql+psycopg://millrace:database-secret@10.1.0.5/millrace"
SMTP_URL = "smtp://mailer:smtp-secret@mail.example.com:587"
SETTINGS = {
    "kubernetes": "true",
    "kubeconfig": "/home/someone/kubeconfig-secret",
    "kubeContext": "production",
    "kubernetesNamespace": "millrace",
    "workerImage": f"registry.example.com/workers@{DIGEST}",
    "workerConcurrency": "4",
    "podQuota": "80",
    "databaseUrl": DATABASE_URL,
    "databaseNetworks": "10.1.0.0/24:5432",
    "smtpUrl": SMTP_URL,
    "groupNetworks": "notifications=10.3.0.9/32:587",
    "brokerNodes": "0",
    "brokerAddress": "rabbit-0.example.com:5671,rabbit-1.example.com:5671",
    "brokerTls": "true",
    "brokerManagement": "https://rabbit.example.com:15671",
    "brokerNetworks": "10.2.0.0/24",
    "brokerCertificate": "",
    "brokerMemory": "2048",
    "brokerDisk": "20",
}


def of(recording: Recording, type_: str) -> dict[str, Mapping[str, Any]]:
    """The manifests of a type, by name."""
    return {one.inputs["metadata"]["name"]: one.inputs for one in recording.resources if one.type == type_}


def pods(recording: Recording) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every pod spec, by what makes the pods."""
    for type_ in (DEPLOYMENT, JOB):
        for name, one in of(recording, type_).items():
            yield name, one["spec"]["template"]["spec"]


def container(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """A pod's only container."""
    (one,) = pod["containers"]
    return dict(one)


def plain(pod: Mapping[str, Any]) -> dict[str, str]:
    """The variables that are in the manifest."""
    return {one["name"]: one["value"] for one in container(pod)["env"] if "value" in one}


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """What a Secret holds."""
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


def egress(policy: Mapping[str, Any]) -> set[tuple[str, int]]:
    """The networks, or labels of pods, and ports that a policy lets pods reach."""
    found = set()
    for rule in policy["spec"]["egress"]:
        for peer in rule["to"]:
            where = peer.get("ipBlock", {}).get("cidr") or str(peer)
            found |= {(where, int(port["port"])) for port in rule["ports"]}
    return found
