"""A small kubelet: one real process per pod of its node, with the pod's own command, environment, signals and grace.

`python -m tests.integration.kubernetes.kubelet SETTINGS.json` runs until SIGTERM and writes what became of each process
to `ended.jsonl`. A process of its own: what it started dies with it.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from operations.local.ports import LOOPBACK, free_ports
from operations.local.process_spec import ProcessSpec
from operations.local.spawn import open_log, signal_group, spawn

ROOT = Path(__file__).parents[3]
INTERVAL_SECONDS = 0.2
Pod = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class KubeletSettings:
    """Which node it is, where the API server is, and what the image would have: its environment."""

    node: str
    url: str
    certificates: str
    directory: str
    image_environment: Mapping[str, str]


@dataclass
class Container:
    """The one process of a pod; `told` is when it was asked to end."""

    pod: Pod
    process: subprocess.Popen[bytes]
    port: int | None
    restarts: int = 0
    told: float | None = None
    killed: bool = False
    ready: bool = False
    was_ready: bool = False


class Kubelet:
    """Looks again and again at the pods of its node."""

    def __init__(self, settings: KubeletSettings) -> None:
        folder = Path(settings.certificates)
        trusted = ssl.create_default_context(cafile=folder / "ca.crt")
        trusted.load_cert_chain(folder / "admin.crt", folder / "admin.key")
        self._api = httpx.Client(base_url=settings.url, verify=trusted, trust_env=False, timeout=10)
        self._settings = settings
        self._directory = Path(settings.directory)
        self._containers: dict[str, Container] = {}

    def turn(self) -> None:
        """Start, look after and end what the API server says now."""
        pods = self._get("/api/v1/pods", fieldSelector=f"spec.nodeName={self._settings.node}")["items"]
        for pod in pods:
            container = self._containers.get(pod["metadata"]["uid"])
            if container is not None:
                container.pod = pod
            if "deletionTimestamp" in pod["metadata"]:
                self._end(pod, container)
            elif container is None and pod["status"]["phase"] == "Pending":
                self._start(pod)
            elif container is not None:
                self._look_after(container)
        there = {pod["metadata"]["uid"] for pod in pods}
        for uid in self._containers.keys() - there:  # removed by force
            signal_group(self._containers.pop(uid).process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill what runs."""
        for container in self._containers.values():
            signal_group(container.process.pid, signal.SIGKILL)
            container.process.wait()
        self._api.close()

    def _start(self, pod: Pod, restarts: int = 0) -> None:
        container, uid = pod["spec"]["containers"][0], pod["metadata"]["uid"]
        own = self._directory / uid
        own.mkdir(exist_ok=True)
        port = next((one["containerPort"] for one in container.get("ports", ())), None)
        here = free_ports(1)[0] if port else None
        environment = self._environment(pod, container, own, {str(port): str(here), "0.0.0.0": LOOPBACK})  # noqa: S104
        argv = tuple(sys.executable if part == "python" else part for part in container["command"])
        # As little of this machine as an image has; `env -i` because what starts processes hands its own on.
        clean = ("/usr/bin/env", "-i", *(f"{key}={value}" for key, value in environment.items()), *argv)
        spec = ProcessSpec(name=pod["metadata"]["name"], argv=clean, cwd=str(ROOT))
        with open_log(self._directory / f"{pod['metadata']['name']}.log") as log:
            process = spawn(spec, log, when_parent_dies=signal.SIGKILL)
        self._containers[uid] = Container(pod, process, here, restarts)
        self._tell(self._containers[uid], "Running", {"running": {"startedAt": _now()}})

    def _environment(self, pod: Pod, container: Pod, own: Path, replaced: Mapping[str, str]) -> dict[str, str]:
        """The container's; its own network and its empty folders are a port of this machine and a folder here."""
        empty = {one["name"] for one in pod["spec"].get("volumes", ()) if "emptyDir" in one}
        mounts = {one["mountPath"]: str(own) for one in container.get("volumeMounts", ()) if one["name"] in empty}
        found = {"PATH": os.environ["PATH"], **self._settings.image_environment}
        for one in container.get("env", ()):
            text = one["value"] if "value" in one else self._secret(pod, one["valueFrom"]["secretKeyRef"])
            found[one["name"]] = {**replaced, **mounts}.get(text, text)
        return found

    def _secret(self, pod: Pod, reference: Mapping[str, str]) -> str:
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/secrets/{reference['name']}"
        return base64.b64decode(self._get(path)["data"][reference["key"]]).decode()

    def _look_after(self, container: Container) -> None:
        code = container.process.poll()
        if code is None:
            container.ready = self._is_ready(container)
            container.was_ready |= container.ready
            if not _is_known(container):
                self._tell(container, "Running", {"running": {"startedAt": _now()}})
        elif container.pod["status"]["phase"] not in ("Succeeded", "Failed"):
            self._note(container, code)
            if container.pod["spec"]["restartPolicy"] == "Always":
                self._start(container.pod, container.restarts + 1)
            else:
                container.ready = False
                self._tell(container, "Failed" if code else "Succeeded", {"terminated": {"exitCode": code}})

    def _is_ready(self, container: Container) -> bool:
        probe = container.pod["spec"]["containers"][0].get("readinessProbe", {})
        if "httpGet" not in probe:
            return True
        try:
            path = f"http://{LOOPBACK}:{container.port}{probe['httpGet']['path']}"
            return httpx.get(path, timeout=probe["timeoutSeconds"], trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _end(self, pod: Pod, container: Container | None) -> None:
        """SIGTERM, the pod's own grace, SIGKILL; then the pod is let go."""
        if container is not None:
            code = container.process.poll()
            if code is None:
                grace = pod["metadata"]["deletionGracePeriodSeconds"]
                if container.told is None:
                    container.told = time.monotonic()
                    container.process.send_signal(signal.SIGTERM)
                elif time.monotonic() > container.told + grace:
                    container.killed = True
                    signal_group(container.process.pid, signal.SIGKILL)
                return
            self._note(container, code)
            del self._containers[pod["metadata"]["uid"]]
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        self._api.delete(path, params={"gracePeriodSeconds": 0})

    def _note(self, container: Container, code: int) -> None:
        now = time.monotonic()
        line = {
            "pod": container.pod["metadata"]["name"],
            "code": code,
            "told": container.told is not None,
            "killed": container.killed,
            "was_ready": container.was_ready,
            "took": now - container.told if container.told else None,
        }
        with (self._directory / "ended.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _tell(self, container: Container, phase: str, state: Mapping[str, Any]) -> None:
        """What the control plane knows of a pod: it counts the ready ones."""
        declared = container.pod["spec"]["containers"][0]
        truth = "True" if container.ready else "False"
        conditions = [{"type": one, "status": truth} for one in ("Ready", "ContainersReady")]
        one = {"name": declared["name"], "image": declared["image"], "imageID": "", "ready": container.ready}
        status = {
            "phase": phase,
            "podIP": LOOPBACK,
            "podIPs": [{"ip": LOOPBACK}],
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Initialized", "status": "True"},
                *conditions,
            ],
            "containerStatuses": [{**one, "restartCount": container.restarts, "state": state}],
        }
        metadata = container.pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        header = {"Content-Type": "application/merge-patch+json"}
        answer = self._api.patch(path, content=json.dumps({"status": status}), headers=header)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def _get(self, path: str, **parameters: str) -> Any:
        return self._api.get(path, params=parameters).raise_for_status().json()


def _is_known(container: Container) -> bool:
    """Whether the API server has been told how it is: telling it may have failed."""
    status = container.pod["status"]
    return status["phase"] == "Running" and status["containerStatuses"][0]["ready"] is container.ready


def attempt(turn: Callable[[], None]) -> None:
    """One turn; an API server that answers late, or says no, is asked again in the next one."""
    try:
        turn()
    except httpx.HTTPError as error:
        print(f"{_now()} {type(error).__name__}: {error}", flush=True)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def main(settings: Path) -> None:
    """Run until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    kubelet = Kubelet(KubeletSettings(**json.loads(settings.read_text())))
    try:
        while True:
            attempt(kubelet.turn)
            time.sleep(INTERVAL_SECONDS)
    finally:
        kubelet.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
