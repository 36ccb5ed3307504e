"""A stack of its own on the run's broker and control plane, in a namespace of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from millrace.catalog import CATALOG
from millrace.declarations import Catalog

from infra import offline_engine
from infra.__main__ import declare
from infra.offline_engine import Changes, KubernetesTarget
from infra.offline_engine.kubernetes.manifests import Manifest, is_kubernetes, manifest
from infra.offline_engine.project import defaults
from infra.offline_engine.recording import record
from infra.offline_engine.resources import Resource
from infra.settings import Settings
from tests.cluster.control_plane import CONTEXT, ControlPlane
from tests.real_servers import Broker

IMAGE = f"registry.example.com/millrace/workers@sha256:{'0123456789abcdef' * 4}"
#: What only a dry run or a played pod sees.
NO_DATABASE = "postgresql+psycopg://nobody:nothing@127.0.0.1:1/none"


@dataclass(frozen=True, kw_only=True)
class KubernetesStack:
    """One stack; nothing of it is there until `up`."""

    name: str
    plane: ControlPlane
    broker: Broker
    state_dir: Path
    catalog: Catalog = CATALOG
    database_url: str = NO_DATABASE

    @property
    def namespace(self) -> str:
        return f"of-{self.name}"

    @property
    def target(self) -> KubernetesTarget:
        settings = {
            "kubernetesNamespace": self.namespace,
            "workerImage": IMAGE,
            "podQuota": "200",
            "databaseUrl": self.database_url,
            "databaseNetworks": "127.0.0.0/8:5432",
            "brokerAddress": f"{self.broker.amqp_host}:{self.broker.amqp_port}",
            "brokerTls": "false",
            "brokerManagement": f"http://{urlsplit(self.broker.management_url).netloc}",
            "brokerNetworks": "127.0.0.0/8",
        }
        return KubernetesTarget(kubeconfig=self.plane.kubeconfig, context=CONTEXT, settings=settings)

    @property
    def _place(self) -> dict[str, Any]:
        return {
            "management_url": self.broker.management_url,
            "admin_user": self.broker.admin_user,
            "admin_password": self.broker.admin_password,
            "state_dir": self.state_dir,
            "kubernetes": self.target,
        }

    def up(self, catalog: Catalog | None = None, **options: Any) -> Changes:
        return offline_engine.up(self.name, catalog=catalog or self.catalog, **self._place | options)

    def preview(self) -> Changes:
        return offline_engine.preview(self.name, catalog=self.catalog, **self._place)

    def destroy(self, **options: Any) -> Changes:
        return offline_engine.destroy(self.name, **self._place | options)

    def declared(self) -> tuple[Resource, ...]:
        """What the program declares on Kubernetes."""
        config = defaults() | {"endpoint": self.broker.management_url, "password": "unused"} | self.target.config()
        whole = record(lambda: declare(self.catalog, Settings.load()), stack=self.name, config=config, known={})
        return tuple(one for one in whole.resources if is_kubernetes(one))

    def manifests(self) -> list[Manifest]:
        """The same, as Kubernetes takes it."""
        return [manifest(one.inputs) for one in self.declared()]

    def items(self, kinds: str) -> list[Manifest]:
        """What is in the namespace now, of kinds as kubectl has them."""
        return self.plane.items(kinds, "--namespace", self.namespace)

    def replicas(self, group: str) -> int:
        """How many pods of a group are ready."""
        found = {one["metadata"]["name"]: one for one in self.items("deployments")}
        return int(found[f"worker-{group}"]["status"].get("readyReplicas", 0))


def dry_run(plane: ControlPlane, objects: Iterable[Manifest]) -> None:
    """Ask the server whether it would take them; raises KubectlFailed."""
    whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    plane.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=json.dumps(whole))


def pods_of(manifests: Iterable[Manifest]) -> list[Manifest]:
    """The pods that these objects would have made: Pod Security only refuses pods, not what makes them."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template["metadata"],
                "name": one["metadata"]["name"],
                "namespace": one["metadata"]["namespace"],
            },
            "spec": template["spec"],
        }
        for one in manifests
        if (template := one.get("spec", {}).get("template"))
    ]
