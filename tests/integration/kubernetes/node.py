"""A node of the control plane whose pods are real processes, while the played ones take no pod."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from operations.local.process_spec import ProcessSpec
from operations.local.spawn import open_log, spawn, stop
from tests.cluster.control_plane import NODES, ControlPlane
from tests.integration.kubernetes.kubelet import ROOT, KubeletSettings

NAME = "real"
ROOM = {"cpu": "64", "memory": "64Gi", "pods": "100"}


@dataclass(frozen=True)
class RealNode:
    """The node; `directory` has its processes' logs."""

    directory: Path

    def ended(self, beginning: str) -> list[dict[str, Any]]:
        """What became of the processes of pods whose name begins so."""
        path = self.directory / "ended.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [one for one in lines if one["pod"].startswith(beginning)]


@contextmanager
def real_node(plane: ControlPlane, directory: Path, image_environment: dict[str, str]) -> Iterator[RealNode]:
    """Run a kubelet, and keep pods off the played nodes meanwhile."""
    directory.mkdir()
    ready = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
    labels = {"kubernetes.io/hostname": NAME, "topology.kubernetes.io/zone": "zone-a"}
    status = {"capacity": ROOM, "allocatable": ROOM, "conditions": ready}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME, "labels": labels}, "status": status}
    settings = KubeletSettings(
        node=NAME,
        url=plane.url,
        certificates=str(plane.certificates.folder),
        directory=str(directory),
        image_environment=image_environment,
    )
    (directory / "settings.json").write_text(json.dumps(asdict(settings)))
    argv = (sys.executable, "-m", "tests.integration.kubernetes.kubelet", str(directory / "settings.json"))
    plane.kubectl("cordon", *NODES)
    plane.kubectl("create", "-f", "-", stdin=json.dumps(node))
    with open_log(directory / "kubelet.log") as log:
        kubelet = spawn(ProcessSpec(name="kubelet", argv=argv, cwd=str(ROOT)), log, when_parent_dies=signal.SIGTERM)
    try:
        yield RealNode(directory)
        assert kubelet.poll() is None, (directory / "kubelet.log").read_text()[-2000:]
    finally:
        stop(kubelet, 20)
        plane.kubectl("delete", "node", NAME)
        plane.kubectl("uncordon", *NODES)
