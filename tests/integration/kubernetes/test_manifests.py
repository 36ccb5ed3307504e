"""Every object of the stack is one that a real API server takes, with KEDA's definitions and Pod Security enforced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy

import pytest

from infra.offline_engine.kubernetes.manifests import Manifest
from tests.cluster.control_plane import ControlPlane, KubectlFailed
from tests.integration.kubernetes.stack import KubernetesStack, dry_run, pods_of
from tests.real_servers import Broker

#: What must be there before a pod may be: all else is only tried.
FIRST = ("Namespace", "ServiceAccount")


@pytest.fixture(scope="module")
def manifests(
    plane: ControlPlane, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Manifest]]:
    """All of them; the namespace, as the stack declares it, and its accounts are there."""
    stack = KubernetesStack(name="manifests", plane=plane, broker=broker, state_dir=tmp_path_factory.mktemp("unused"))
    declared = stack.manifests()
    first = {"apiVersion": "v1", "kind": "List", "items": [one for one in declared if one["kind"] in FIRST]}
    stack.plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(first))
    yield declared
    stack.plane.kubectl("delete", "namespace", stack.namespace, "--wait=true")


def test_the_server_takes_every_object(plane: ControlPlane, manifests: list[Manifest]) -> None:
    dry_run(plane, manifests)
    kinds = {one["kind"] for one in manifests}
    assert {"Deployment", "ScaledObject", "TriggerAuthentication", "Job", "NetworkPolicy", "Secret"} <= kinds


def test_the_server_takes_every_pod_that_these_would_have(plane: ControlPlane, manifests: list[Manifest]) -> None:
    pods = pods_of(manifests)
    assert len(pods) >= sum(one["kind"] in {"Deployment", "Job"} for one in manifests) > 3
    dry_run(plane, pods)


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"containers": {"securityContext": {"privileged": True}}}, "privileged"),
        ({"containers": {"securityContext": {}}}, "allowPrivilegeEscalation != false"),
        ({"securityContext": {"runAsUser": 0}}, "runAsNonRoot != true"),
        ({"hostNetwork": True}, "host namespaces"),
    ],
)
def test_a_pod_that_may_do_more_is_refused(
    plane: ControlPlane, manifests: list[Manifest], spoilt: dict[str, object], reason: str
) -> None:
    pod = deepcopy(pods_of(manifests)[0])
    changes = dict(spoilt)
    pod["spec"]["containers"][0] |= changes.pop("containers", {})
    pod["spec"] |= changes
    with pytest.raises(KubectlFailed) as refused:
        dry_run(plane, [pod])
    assert 'violates PodSecurity "restricted' in str(refused.value)
    assert reason in str(refused.value)


def test_a_trigger_in_another_shape_is_refused(plane: ControlPlane, manifests: list[Manifest]) -> None:
    """KEDA's own definitions are asked, not ours."""
    scaled = deepcopy(next(one for one in manifests if one["kind"] == "ScaledObject"))
    scaled["spec"]["triggers"][0]["metadata"] = "a text"
    with pytest.raises(KubectlFailed):
        dry_run(plane, [scaled])
