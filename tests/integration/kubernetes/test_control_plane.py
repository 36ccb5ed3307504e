"""The control plane of the tests: on loopback only, and gone with who started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from operations.local.ports import LOOPBACK
from tests.cluster.control_plane import NODES, ControlPlane
from tests.cluster.programs import KUBE, KUBECTL
from tests.integration.workers.stack import until
from tests.processes_seen import listening, runs

START = """
import json, signal, sys
from pathlib import Path
from tests.cluster.control_plane import running_control_plane
from tests.cluster.programs import cached
with running_control_plane(cached(), Path(sys.argv[1])) as plane:
    print(json.dumps([one.pid for one in plane.processes.running.values()]), flush=True)
    signal.pause()
"""


def test_nobody_listens_beyond_this_machine(plane: ControlPlane) -> None:
    found = {name: listening(psutil.Process(one.pid)) for name, one in plane.processes.running.items()}
    assert set().union(*found.values()) == {LOOPBACK}
    assert {name for name, addresses in found.items() if addresses} == plane.processes.running.keys() - {"kwok"}


def test_it_tells_its_version_and_has_its_nodes(plane: ControlPlane) -> None:
    found = json.loads(plane.kubectl("version", "--output=json"))
    assert found["serverVersion"]["gitVersion"] == found["clientVersion"]["gitVersion"] == f"v{KUBE.version()}"
    until(lambda: {one["metadata"]["name"] for one in plane.items("nodes")} >= {*NODES}, what="its nodes")


def test_only_its_owner_reads_its_keys(plane: ControlPlane) -> None:
    assert plane.kubeconfig.stat().st_mode & 0o777 == 0o600
    for folder in (plane.directory, plane.certificates.folder):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_it_dies_with_who_started_it(plane: ControlPlane, tmp_path: Path) -> None:
    assert plane.programs.program(KUBECTL).exists()
    command = [sys.executable, "-c", START, str(tmp_path / "plane")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as starter:
        assert starter.stdout is not None
        pids = json.loads(starter.stdout.readline())
        assert all(psutil.pid_exists(pid) for pid in pids)
        os.kill(starter.pid, signal.SIGKILL)
    until(lambda: not any(runs(pid) for pid in pids), seconds=30, what="the end of all of it")
