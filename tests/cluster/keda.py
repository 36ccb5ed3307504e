"""KEDA beside a control plane: operator and metrics adapter, known to the API server as in a cluster."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

from infra.offline_engine.kubernetes.manifests import condition
from operations.local.ports import LOOPBACK, free_ports
from tests.cluster.certificates import ADAPTER_NAMESPACE, ADAPTER_SERVICE
from tests.cluster.control_plane import ControlPlane, encoded
from tests.cluster.programs import KEDA_ADAPTER, KEDA_OPERATOR

DEFINITION_SECONDS = 30.0
METRICS = "v1beta1.external.metrics.k8s.io"


def start_keda(plane: ControlPlane) -> None:
    """Install its definitions, start both and wait until the API server has its metrics."""
    plane.kubectl("apply", "--server-side", "-f", str(plane.programs.data("crds")))
    _established(plane)
    metrics, health, adapter, adapter_numbers = free_ports(4)
    folder = plane.directory / "keda"
    folder.mkdir(mode=0o700)
    for path in (plane.certificates.crt("ca"), plane.certificates.crt("tls"), plane.certificates.key("tls")):
        shutil.copy(path, folder)
    environment = {
        "KUBECONFIG": str(plane.kubeconfig),
        "KEDA_CLUSTER_OBJECT_NAMESPACE": ADAPTER_NAMESPACE,
        "POD_NAMESPACE": ADAPTER_NAMESPACE,
        "WATCH_NAMESPACE": "",  # all of them
    }
    plane.processes.start(
        KEDA_OPERATOR,
        f"--cert-dir={folder}",
        "--metrics-bind-address=0",  # nowhere
        f"--health-probe-bind-address={LOOPBACK}:{health}",
        f"--metrics-service-bind-address={LOOPBACK}:{metrics}",
        environment=environment,
    )
    plane.processes.answers(KEDA_OPERATOR, f"http://{LOOPBACK}:{health}/readyz", plane.trusted)
    plane.processes.start(
        KEDA_ADAPTER,
        *(f"--secure-port={adapter}", f"--bind-address={LOOPBACK}", f"--port={adapter_numbers}"),
        f"--metrics-service-address=localhost:{metrics}",
        *(
            f"--cert-dir={folder}",
            f"--tls-cert-file={folder / 'tls.crt'}",
            f"--tls-private-key-file={folder / 'tls.key'}",
        ),
        *(f"--{one}-kubeconfig={plane.kubeconfig}" for one in ("lister", "authentication", "authorization")),
        environment=environment,
    )
    # Before the API server knows it: it would remember for a minute that nobody answered.
    plane.processes.answers(KEDA_ADAPTER, f"https://{LOOPBACK}:{adapter}/readyz", plane.trusted)
    objects = {"apiVersion": "v1", "kind": "List", "items": _registration(plane, adapter)}
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(objects))
    plane.processes.answers(KEDA_ADAPTER, f"{plane.url}/apis/external.metrics.k8s.io/v1beta1", plane.trusted)


def _established(plane: ControlPlane) -> None:
    """Wait until the definitions are served; `kubectl wait` fails where one has no state yet."""
    deadline = time.monotonic() + DEFINITION_SECONDS
    while waiting := [one["metadata"]["name"] for one in plane.items("crd") if not condition(one, "Established")]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"KEDA's definitions must be served within {DEFINITION_SECONDS:g} s, got not {waiting}")
        time.sleep(0.1)


def _registration(plane: ControlPlane, port: int) -> list[dict[str, Any]]:
    """What makes the API server ask the adapter for external metrics."""
    service = {"name": ADAPTER_SERVICE, "namespace": ADAPTER_NAMESPACE, "port": port}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ADAPTER_NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": ADAPTER_SERVICE, "namespace": ADAPTER_NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"name": "https", "port": port}]},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": METRICS},
            "spec": {
                "service": service,
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": encoded(plane.certificates.crt("ca")),
            },
        },
    ]
