"""A Kubernetes control plane on this machine, all of it on loopback: one per run, in a fresh folder."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from operations.local.ports import LOOPBACK, free_ports
from tests.cluster.certificates import FRONT_PROXY, Certificates, make_certificates
from tests.cluster.processes import LAST_WORDS, Processes
from tests.cluster.programs import APISERVER, CONTROLLERS, ETCD, KUBECTL, KWOK, SCHEDULER, Programs

CONTEXT = "millrace-test"
#: What turns a Deployment into pods and back, and KEDA's numbers into replicas.
CONTROLLER_NAMES = (
    *("deployment", "replicaset", "statefulset", "job", "horizontal-pod-autoscaler", "garbage-collector"),
    *("namespace", "serviceaccount", "disruption", "endpointslice"),
)
#: Nothing here takes the taint off a fresh node; all other admission is Kubernetes' own choice, Pod Security with it.
NO_ADMISSION = "TaintNodesByCondition"
#: How kwok plays nodes and pods: folders of its stages.
STAGES = ("node/fast", "node/heartbeat", "pod/fast")
#: One in each of three zones, and the label of those that are played.
NODES = ("played-a", "played-b", "played-c")
PLAYED = "millrace.test/played=true"


class KubectlFailed(Exception):
    """The server, or kubectl itself, refused; the message says why."""


@dataclass
class ControlPlane:
    """The running one; kwok plays its NODES and the pods there."""

    programs: Programs
    directory: Path
    certificates: Certificates
    processes: Processes
    ports: dict[str, int]

    @property
    def url(self) -> str:
        """The API server."""
        return f"https://{LOOPBACK}:{self.ports[APISERVER]}"

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator; the context is CONTEXT."""
        return self.directory / "kubeconfig"

    @cached_property
    def trusted(self) -> ssl.SSLContext:
        """What the control plane's programs are asked with."""
        context = ssl.create_default_context(cafile=self.certificates.crt("ca"))
        context.load_cert_chain(self.certificates.crt("admin"), self.certificates.key("admin"))
        return context

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl prints; raises KubectlFailed."""
        own = ("--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self.directory / "kubectl"))
        command = [str(self.programs.program(KUBECTL)), *own, *arguments]
        done = subprocess.run(command, input=stdin, text=True, check=False, capture_output=True)
        if done.returncode != 0:
            raise KubectlFailed(f"kubectl {arguments[0]}: {done.stderr.strip()[:LAST_WORDS]}")
        return done.stdout

    def items(self, kinds: str, *where: str) -> list[dict[str, Any]]:
        """What is there of kinds as kubectl has them; raises KubectlFailed."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kinds, *where, "--output=json"))["items"]
        return found

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._etcd()
        self._apiserver()
        self.kubeconfig.write_text(json.dumps(self._config()))
        self.kubeconfig.chmod(0o600)
        self.processes.answers(APISERVER, f"{self.url}/readyz", self.trusted)
        self._followers()

    def _etcd(self) -> None:
        clients, peers = (f"http://{LOOPBACK}:{self.ports[name]}" for name in (ETCD, "peers"))
        self.processes.start(
            ETCD,
            f"--data-dir={self.directory / 'etcd'}",
            "--unsafe-no-fsync",
            *(f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}"),
            *(f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"),
            f"--initial-cluster=default={peers}",
            "--log-level=warn",
        )

    def _apiserver(self) -> None:
        of = self.certificates
        self.processes.start(
            APISERVER,
            f"--etcd-servers=http://{LOOPBACK}:{self.ports[ETCD]}",
            *self._listening(APISERVER),
            *(f"--tls-cert-file={of.crt('api')}", f"--tls-private-key-file={of.key('api')}"),
            f"--client-ca-file={of.crt('ca')}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",  # so that Pod Security is what refuses them
            f"--disable-admission-plugins={NO_ADMISSION}",
            "--service-account-issuer=https://kubernetes.default.svc",
            *(f"--service-account-{one}-file={of.key('accounts')}" for one in ("key", "signing-key")),
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
            *(f"--requestheader-client-ca-file={of.crt('front-ca')}", f"--requestheader-allowed-names={FRONT_PROXY}"),
            *("--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group"),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            *(f"--proxy-client-cert-file={of.crt('front')}", f"--proxy-client-key-file={of.key('front')}"),
        )

    def _followers(self) -> None:
        asking = tuple(f"--{one}kubeconfig={self.kubeconfig}" for one in ("", "authentication-", "authorization-"))
        self.processes.start(
            CONTROLLERS,
            *(*asking, *self._listening(CONTROLLERS), "--leader-elect=false"),
            f"--controllers={','.join(f'{name}-controller' for name in CONTROLLER_NAMES)}",
            "--horizontal-pod-autoscaler-sync-period=1s",
        )
        self.processes.start(SCHEDULER, *asking, *self._listening(SCHEDULER), "--leader-elect=false")
        stages = [path for one in STAGES for path in sorted((self.programs.data("stages") / one).glob("[np]o*-*.yaml"))]
        configs = [f"--config={path}" for path in stages]
        self.processes.start(
            KWOK, f"--kubeconfig={self.kubeconfig}", f"--manage-nodes-with-label-selector={PLAYED}", *configs
        )
        nodes = {"apiVersion": "v1", "kind": "List", "items": [_node(name) for name in NODES]}
        self.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(nodes))

    def _listening(self, name: str) -> tuple[str, ...]:
        return f"--bind-address={LOOPBACK}", f"--secure-port={self.ports[name]}"

    def _config(self) -> dict[str, object]:
        of = self.certificates
        cluster = {"server": self.url, "certificate-authority-data": encoded(of.crt("ca"))}
        user = {"client-certificate-data": encoded(of.crt("admin")), "client-key-data": encoded(of.key("admin"))}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
            "users": [{"name": CONTEXT, "user": user}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        }


def encoded(path: Path) -> str:
    """A file in base64."""
    return base64.b64encode(path.read_bytes()).decode()


def _node(name: str) -> dict[str, object]:
    label, _, value = PLAYED.partition("=")
    labels = {label: value, "topology.kubernetes.io/zone": f"zone-{name[-1]}", "kubernetes.io/hostname": name}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


@contextmanager
def running_control_plane(programs: Programs, directory: Path) -> Iterator[ControlPlane]:
    """A control plane with nothing in it, in a folder that is made for it."""
    directory.mkdir(mode=0o700)
    names = (ETCD, "peers", APISERVER, CONTROLLERS, SCHEDULER)
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    certificates = make_certificates(directory / "certificates")
    processes = Processes(programs, directory)
    try:
        one = ControlPlane(programs, directory, certificates, processes, ports)
        one.start()
        yield one
    finally:
        processes.stop()
