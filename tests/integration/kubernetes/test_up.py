"""The whole stack by the offline engine: RabbitMQ and a real control plane, pods played by kwok."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from millrace.catalog import CATALOG

from infra.offline_engine import ForeignStack, KubernetesProblem, NotAllApplied
from infra.offline_engine import state as stored
from infra.offline_engine.kubernetes.api import field_manager
from infra.offline_engine.kubernetes.manifests import KUBERNETES, condition
from tests.cluster.control_plane import KubectlFailed
from tests.integration.kubernetes.stack import KubernetesStack

KINDS = "deployments,scaledobjects,networkpolicies,poddisruptionbudgets,secrets,jobs,triggerauthentications"
DEPLOYMENT = "deployment/worker-signup"


def names(stack: KubernetesStack, kinds: str = KINDS) -> set[str]:
    """Kind and name of what is there now."""
    return {f"{one['kind']} {one['metadata']['name']}" for one in stack.items(kinds)}


def change(stack: KubernetesStack, what: str, patch: dict[str, object]) -> None:
    """Change something by hand, as somebody with kubectl would."""
    stack.plane.kubectl("patch", "--namespace", stack.namespace, what, "--type=merge", "-p", json.dumps(patch))


def test_all_is_made_nothing_is_changed_twice_and_nothing_is_left(whole_stack: KubernetesStack) -> None:
    stack = whole_stack
    assert stack.preview().created
    first = stack.up()
    assert names(stack) >= {f"Deployment worker-{group.name}" for group in CATALOG.groups}
    assert condition(stack.items("jobs")[0], "Complete")
    second = stack.up()
    assert (second.total, second.unchanged) == (0, len(first.created))
    assert stack.preview().total == 0
    destroyed = stack.destroy()
    assert set(destroyed.deleted) == set(first.created) - {
        one for one in first.created if one.startswith("password of")
    }
    left = stack.plane.items("namespaces")
    assert stack.namespace not in {one["metadata"]["name"] for one in left}
    assert names(stack) == set()


def test_a_group_that_leaves_the_catalog_is_pruned_and_its_pods_go_before_its_queue(stack: KubernetesStack) -> None:
    stack.up()
    gone = "analytics"
    smaller = replace(stack.catalog, groups=[one for one in stack.catalog.groups if one.name != gone])
    said: list[str] = []
    stack.up(smaller, on_progress=said.append)
    of_the_group = {name for name in names(stack) if name.endswith(f"worker-{gone}")}
    assert of_the_group == set()
    assert "Deployment worker-signup" in names(stack)
    assert said.index(f"deleted Deployment {stack.namespace}/worker-{gone}") < said.index(f"deleted queue {gone}")
    back = stack.up()
    assert f"Deployment {stack.namespace}/worker-{gone}" in back.created


def test_a_destroy_that_something_holds_up_keeps_the_state_and_what_is_needed(
    stack: KubernetesStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.up()
    change(stack, DEPLOYMENT, {"metadata": {"finalizers": ["example.org/held"]}})
    with monkeypatch.context() as patch:
        patch.setattr("infra.offline_engine.kubernetes.waiting.removal_seconds", lambda _one: 2.0)
        with pytest.raises(NotAllApplied, match=r"must be gone within 2 s, got it held by .*example\.org/held"):
            stack.destroy()
    assert {"Secret worker-signup", "NetworkPolicy worker-signup"} <= names(stack)
    assert stored.load(stack.name, stack.state_dir) is not None
    change(stack, DEPLOYMENT, {"metadata": {"finalizers": None}})
    stack.destroy()
    assert names(stack) == set()


def test_what_was_changed_by_hand_is_put_right(stack: KubernetesStack) -> None:
    stack.up()
    change(stack, DEPLOYMENT, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}})
    change(stack, "scaledobject/worker-signup", {"spec": {"maxReplicaCount": 900}})
    changes = stack.up()
    assert set(changes.updated) == {
        f"{kind} {stack.namespace}/worker-signup" for kind in ("Deployment", "ScaledObject")
    }
    assert stack.up().total == 0


def test_what_an_autoscaler_decides_is_its_own(stack: KubernetesStack) -> None:
    """The number of a group's pods is nobody's but KEDA's: it is no difference."""
    stack.up()
    stack.plane.kubectl("scale", "--namespace", stack.namespace, DEPLOYMENT, "--replicas=1")
    assert stack.up().total == 0


def test_what_somebody_else_made_is_left_alone_until_it_is_adopted(stack: KubernetesStack) -> None:
    stack.plane.kubectl("create", "namespace", stack.namespace)
    try:
        with pytest.raises(
            NotAllApplied, match=r"exists and was not made by this stack, but by kubectl-create"
        ) as failed:
            stack.up()
        assert set(failed.value.problems) == {f"Namespace {stack.namespace}"}
        assert names(stack) == set()
        assert f"Namespace {stack.namespace}" in stack.up(adopt=True).updated
        assert stack.up().total == 0
    finally:
        stack.destroy()


def test_a_field_that_can_never_be_changed_is_told(stack: KubernetesStack) -> None:
    stack.up()
    original = next(one for one in stack.items("deployments") if one["metadata"]["name"] == "worker-signup")
    stack.plane.kubectl("delete", "--namespace", stack.namespace, DEPLOYMENT)
    template = original["spec"]["template"]
    template["metadata"]["labels"] = {"somebody": "else"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "worker-signup", "namespace": stack.namespace},
        "spec": {"selector": {"matchLabels": {"somebody": "else"}}, "template": template},
    }
    apply = ("apply", "--server-side", f"--field-manager={field_manager(stack.name)}", "-f", "-")
    stack.plane.kubectl(*apply, stdin=json.dumps(body))
    with pytest.raises(
        NotAllApplied, match=r"cannot be changed to what is declared: 422 .*field is immutable"
    ) as failed:
        stack.up()
    assert set(failed.value.problems) == {f"Deployment {stack.namespace}/worker-signup"}
    stack.plane.kubectl("delete", "--namespace", stack.namespace, DEPLOYMENT)
    assert f"Deployment {stack.namespace}/worker-signup" in stack.up().created


def test_another_context_than_the_one_named_is_refused(stack: KubernetesStack, tmp_path: Path) -> None:
    config = json.loads(stack.plane.kubeconfig.read_text())
    config["contexts"].append({"name": "production", "context": config["contexts"][0]["context"]})
    other = tmp_path / "kubeconfig"
    other.write_text(json.dumps(config | {"current-context": "production"}))
    with pytest.raises(
        KubernetesProblem, match=r"must be 'millrace-test', got 'production' .*use-context millrace-test"
    ):
        stack.up(kubernetes=replace(stack.target, kubeconfig=other))
    assert stored.load(stack.name, stack.state_dir) is None


def test_the_state_of_another_cluster_is_refused(stack: KubernetesStack) -> None:
    stack.up()
    state = stored.load(stack.name, stack.state_dir)
    assert state is not None
    stored.save(replace(state, kubernetes="another"), stack.name, stack.state_dir)
    for verb in (stack.up, stack.preview, stack.destroy):
        with pytest.raises(ForeignStack, match="of another Kubernetes cluster"):
            verb()
    stored.save(state, stack.name, stack.state_dir)


def test_while_kubernetes_is_away_its_part_is_left_alone(stack: KubernetesStack) -> None:
    stack.up()
    state = stored.load(stack.name, stack.state_dir)
    assert state is not None
    there = [one for one in state.resources if one.type.startswith(KUBERNETES)]
    changes = stack.up(kubernetes=None)
    assert (changes.total, changes.away) == (0, len(there))
    assert "left alone (Kubernetes is away)" in str(changes)
    with pytest.raises(ForeignStack, match="has a part on Kubernetes, which would go on without it"):
        stack.destroy(kubernetes=None)
    assert stack.up().total == 0


def test_a_password_is_in_no_file_that_others_read(stack: KubernetesStack) -> None:
    stack.up()
    path = stored.state_file(stack.name, stack.state_dir)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_namespace_refuses_a_pod_that_may_do_more(stack: KubernetesStack) -> None:
    stack.up()
    with pytest.raises(KubectlFailed, match="violates PodSecurity"):
        stack.plane.kubectl("run", "bad", "--namespace", stack.namespace, "--image=registry.example.com/bad")
