"""A declared resource as the engine gives it to Kubernetes; what no API server needs to be asked for."""

from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiException

from infra.offline_engine.errors import KubernetesProblem, UnknownResource
from infra.offline_engine.kinds import identity, label, require_known
from infra.offline_engine.kubernetes import waiting
from infra.offline_engine.kubernetes.api import Api, as_problem
from infra.offline_engine.kubernetes.manifests import (
    Manifest,
    comparable,
    condition,
    is_managed_by,
    managers,
    manifest,
)
from infra.offline_engine.kubernetes.place import KubernetesPlace
from infra.offline_engine.resources import Inputs, Resource


def resource(kind: str, *, version: str = "v1", name: str | None = "one", namespace: str | None = None) -> Resource:
    metadata = {key: value for key, value in {"name": name, "namespace": namespace}.items() if value}
    inputs: Inputs = {"apiVersion": version, "kind": kind, "metadata": metadata}
    return Resource(urn=f"urn:{kind}", type=f"kubernetes:{version}:{kind}", name="called", inputs=inputs)


def test_numbers_are_whole_and_what_is_not_set_is_not_there() -> None:
    spec = {"replicas": 2.0, "share": 0.5, "paused": None, "ports": [{"port": 8080.0, "name": None}], "on": True}
    made = manifest({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec})
    assert made["spec"] == {"replicas": 2, "share": 0.5, "ports": [{"port": 8080}], "on": True}
    assert isinstance(made["spec"]["replicas"], int)
    assert isinstance(made["spec"]["ports"][0]["port"], int)


def test_a_secret_s_texts_are_data_which_the_server_keeps_as_ours() -> None:
    inputs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"x": "eA=="}}
    made = manifest(inputs | {"stringData": {"y": "y", "x": "ü"}})
    assert made["data"] == {"x": "w7w=", "y": "eQ=="}
    assert "stringData" not in made


def test_another_version_of_a_group_is_the_same_object() -> None:
    old, new = (resource("Thing", version=f"example.org/{one}", namespace="n") for one in ("v1beta1", "v1"))
    assert identity(old) == identity(new)
    assert identity(new) != identity(resource("Thing", version="other.org/v1", namespace="n"))
    assert identity(new) != identity(resource("Thing", version="example.org/v1", namespace="m"))
    assert (label(new), label(resource("Namespace"))) == ("Thing n/one", "Namespace one")


@pytest.mark.parametrize(
    ("one", "problem"),
    [
        (resource("Secret", name=None), r"kubernetes:v1:Secret without metadata\.name \(called\)"),
        (
            Resource(urn="u", type="kubernetes:helm.sh/v3:Release", name="r", inputs={"chart": "c"}),
            "helm.sh/v3:Release",
        ),
    ],
)
def test_what_is_no_single_object_with_a_name_is_refused(one: Resource, problem: str) -> None:
    require_known([resource("Secret")])
    with pytest.raises(UnknownResource, match=problem):
        require_known([one])


def test_what_the_server_notes_is_no_difference() -> None:
    one = {"metadata": {"name": "a", "resourceVersion": "1", "generation": 1, "managedFields": []}, "status": {"x": 1}}
    other = {"metadata": {"name": "a", "resourceVersion": "2", "generation": 2, "managedFields": [{}]}}
    assert comparable(one) == comparable(other)
    labelled = {"metadata": {"name": "a", "labels": {"a": "b"}}}
    assert comparable(one) != comparable(labelled)


def test_who_has_applied_it_is_known() -> None:
    entries = [{"manager": "millrace", "operation": "Apply"}, {"manager": "kubectl-edit"}]
    one = {"metadata": {"managedFields": entries}}
    assert is_managed_by(one, "millrace")
    assert not is_managed_by({"metadata": {}}, "millrace")
    assert managers(one) == ["kubectl-edit", "millrace"]


def state(type_: str, status: str = "True") -> Manifest:
    found = [{"type": type_, "status": status, "reason": "BackoffLimitExceeded", "message": "4 tries"}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {},
        "status": {"conditions": found},
    }


class Server(Api):
    """Says of an object what the test has prepared, one answer after the other."""

    def __init__(self, *answers: Manifest | None) -> None:
        self._answers = [*answers]

    def read(self, one: Manifest) -> Manifest | None:
        del one
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "n"}, "spec": {}}


def test_a_job_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "INTERVAL_SECONDS", 0)
    waiting.finished(Server({**JOB}, state("Complete", "False"), state("Complete")), JOB)
    with pytest.raises(KubernetesProblem, match=r"the Job failed \(BackoffLimitExceeded: 4 tries\); `kubectl logs`"):
        waiting.finished(Server({**JOB}, state("Failed")), JOB)
    with pytest.raises(KubernetesProblem, match="was removed while it ran"):
        waiting.finished(Server({**JOB}, None), JOB)


def test_a_job_is_waited_for_no_longer_than_it_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "INTERVAL_SECONDS", 0.01)
    with pytest.raises(KubernetesProblem, match=r"Job n/j must be complete within 0\.05 s"):
        waiting.finished(Server({**JOB}), JOB | {"spec": {"activeDeadlineSeconds": 0.05}})
    monkeypatch.setattr(waiting, "JOB_SECONDS", 0.05)
    with pytest.raises(KubernetesProblem, match=r"within 0\.05 s"):
        waiting.finished(Server({**JOB}), JOB)


def test_a_definition_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "d"}}
    waiting.finished(Server(None, state("Established")), one)
    monkeypatch.setattr(waiting, "DEFINITION_SECONDS", 0.05)
    with pytest.raises(KubernetesProblem, match="CustomResourceDefinition d must be established within"):
        waiting.finished(Server(None), one)


def test_what_holds_an_object_that_should_be_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "INTERVAL_SECONDS", 0.01)
    waiting.gone(Server({**JOB}, None), JOB, 10)
    held = {"metadata": {"name": "j", "finalizers": ["finalizer.keda.sh"]}}
    with pytest.raises(
        KubernetesProblem, match=r"Job n/j must be gone within 0\.05 s, got it held by finalizer\.keda\.sh"
    ):
        waiting.gone(Server(held), JOB, 0.05)


def deployment(**pod: object) -> Manifest:
    spec = {"template": {"spec": {"containers": [{"name": "c"}], **pod}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}, "spec": spec}


def test_pods_are_given_their_grace_before_what_they_need_is_removed() -> None:
    assert waiting.removal_seconds(deployment(terminationGracePeriodSeconds=900)) == 960
    assert waiting.removal_seconds(deployment(terminationGracePeriodSeconds=10)) == waiting.GONE_SECONDS
    assert waiting.removal_seconds(deployment()) == waiting.GONE_SECONDS
    assert waiting.removal_seconds({"kind": "Namespace", "metadata": {"name": "n"}}) == waiting.GONE_SECONDS


def test_a_namespace_is_given_the_longest_grace_of_what_was_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(waiting, "gone", lambda _api, _one, patience: waited.append(patience))
    server = Server(None)
    monkeypatch.setattr(server, "uid", lambda: "here", raising=False)
    monkeypatch.setattr(server, "delete", lambda _one: None)
    place = KubernetesPlace(server)
    for inputs in (deployment(terminationGracePeriodSeconds=900), {"apiVersion": "v1", "kind": "Namespace"}):
        metadata = {"metadata": {"name": "n"}}
        place.remove(Resource(urn="u", type="kubernetes:x", name="n", inputs=metadata | inputs))
    assert waited == [960, 960]


@pytest.mark.parametrize(("one", "policy"), [(deployment(), "Foreground"), ({**JOB}, "Background")])
def test_what_owns_pods_is_gone_after_them(one: Manifest, policy: str) -> None:
    """Else the engine would go on to remove the Secret and the queue of a worker that still drains."""
    asked: list[object] = []

    def delete(**options: object) -> SimpleNamespace:
        asked.append(options["propagation_policy"])
        return SimpleNamespace(to_dict=dict)

    kind = SimpleNamespace(namespaced=True, delete=delete)
    client: Any = SimpleNamespace(resources=SimpleNamespace(get=lambda **_: kind))
    Api(client, "here", "millrace-one", 1.0).delete(one)
    assert asked == [policy]


def test_a_refusal_has_its_status_and_the_server_s_words() -> None:
    error = ApiException(status=403, reason="Forbidden")
    error.body = '{"message": "deployments.apps is forbidden"}'
    with pytest.raises(KubernetesProblem, match=r"^403 deployments\.apps is forbidden$") as caught, as_problem("here"):
        raise error
    assert (caught.value.status, caught.value.__cause__) == (403, None)


def test_a_condition_counts_where_it_is_true() -> None:
    assert condition(state("Failed"), "Failed")
    assert condition(state("Failed", "Unknown"), "Failed") is None
    assert condition({}, "Failed") is None
