"""A stack's file compared with the servers that it names: what `millrace preview` shows where they answer."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from infra.offline_engine.kind import Standing
from infra.offline_engine.project import ROOT
from infra.offline_engine.surveying import Survey, survey
from operations.local.ports import LOOPBACK
from tests.integration.kubernetes.stack import KubernetesStack


def look(stack: KubernetesStack, root: Path, **more: str) -> Survey:
    """Preview the stack from a file of its own."""
    shutil.copy(ROOT / "Pulumi.yaml", root)
    broker = {"endpoint": stack.broker.management_url, "username": stack.broker.admin_user}
    settings = broker | {"password": stack.broker.admin_password} | stack.target.config() | more
    whole = {"config": {f"millrace:{name}": value for name, value in settings.items()}}
    (root / f"Pulumi.{stack.name}.yaml").write_text(json.dumps(whole))
    return survey(stack.name, state_dir=stack.state_dir, catalog=stack.catalog, root=root, more={}, environment={})


def standings(found: Survey) -> set[Standing]:
    return {step.standing for part in found.parts for step in part.work.steps}


def test_it_is_compared_with_what_is_there(stack: KubernetesStack, tmp_path: Path) -> None:
    assert standings(look(stack, tmp_path)) == {Standing.ABSENT}
    stack.up()
    found = look(stack, tmp_path)
    assert {part.compared_with for part in found.parts} == {"the server"}
    assert (standings(found), found.placeholders) == ({Standing.RIGHT}, ())
    stack.plane.kubectl("delete", "--namespace", stack.namespace, "networkpolicy/worker-signup")
    absent = [
        step.resource.inputs["kind"]
        for part in look(stack, tmp_path).parts
        for step in part.work.steps
        if step.standing is not Standing.RIGHT
    ]
    assert absent == ["NetworkPolicy"]


def test_a_cluster_that_says_nothing_is_told(
    stack: KubernetesStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.offline_engine.surveying.PATIENCE_SECONDS", 0.2)
    with socket.create_server((LOOPBACK, 0)) as silent:
        config = json.loads(stack.plane.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://{LOOPBACK}:{silent.getsockname()[1]}"
        other = tmp_path / "kubeconfig"
        other.write_text(json.dumps(config))
        found = look(stack, tmp_path, kubeconfig=str(other))
    assert "does not answer" in found.parts[1].problem
