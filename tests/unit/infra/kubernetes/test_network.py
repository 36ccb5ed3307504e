"""Who may talk to whom on Kubernetes, and as whom."""

import pytest
from millrace.declarations import WorkerGroup

from infra.offline_engine.recording import Recording
from tests.unit.infra.kubernetes.stack import (
    CATALOG,
    DATABASE_URL,
    DEPLOYMENT,
    NAMESPACE,
    NETWORK_POLICY,
    QUOTA,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    SMTP_URL,
    container,
    decoded,
    egress,
    of,
)

DNS = {
    ("169.254.20.10/32", 53),
    ("{'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name': 'kube-system'}}}", 53),
}
BROKER = {("10.2.0.0/24", 5671), ("10.2.0.0/24", 15671)}
DATABASE = {("10.1.0.0/24", 5432)}
OWN_BROKER = {
    ("{'podSelector': {'matchLabels': {'app.kubernetes.io/name': 'broker'}}}", port) for port in (5671, 15671)
}


def test_nothing_is_let_through_that_is_not_said(any_recording: Recording) -> None:
    closed = of(any_recording, NETWORK_POLICY)["closed"]["spec"]
    assert sorted(closed["policyTypes"]) == ["Egress", "Ingress"]
    assert closed["podSelector"].get("matchLabels", {}) == {}
    assert not closed.get("ingress")
    assert not closed.get("egress")


@pytest.mark.parametrize("group", CATALOG.groups, ids=lambda group: group.name)
def test_a_groups_pods_reach_what_they_need_only(there: Recording, group: WorkerGroup) -> None:
    mail = {("10.3.0.9/32", 587)} if group.name == "notifications" else set()
    assert egress(of(there, NETWORK_POLICY)[f"worker-{group.name}"]) == BROKER | DATABASE | DNS | mail


@pytest.mark.parametrize(
    ("name", "reached"),
    [("relay", BROKER | DATABASE), ("keeper", BROKER | DATABASE), ("flower", BROKER), ("migrate", DATABASE)],
)
def test_the_others_reach_what_they_need_only(there: Recording, name: str, reached: set[tuple[str, int]]) -> None:
    assert egress(of(there, NETWORK_POLICY)[name]) == reached | DNS


def test_pods_are_asked_at_one_port_only(any_recording: Recording) -> None:
    policies = of(any_recording, NETWORK_POLICY)
    for name, deployment in of(any_recording, DEPLOYMENT).items():
        template = deployment["spec"]["template"]
        (rule,) = policies[name]["spec"]["ingress"]
        (port,) = container(template["spec"])["ports"]
        assert [one["port"] for one in rule["ports"]] == [port["containerPort"]]
        assert policies[name]["spec"]["podSelector"] == {"matchLabels": template["metadata"]["labels"]}
    assert not policies["migrate"]["spec"].get("ingress")


def test_a_broker_of_ones_own_is_reached_by_its_pods(own: Recording) -> None:
    assert egress(of(own, NETWORK_POLICY)["worker-signup"]) == OWN_BROKER | DATABASE | DNS


def test_the_namespace_takes_restricted_pods_only_and_so_many(any_recording: Recording) -> None:
    (namespace,) = of(any_recording, NAMESPACE).values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    (quota,) = of(any_recording, QUOTA).values()
    assert quota["spec"]["hard"] == {"pods": "80"}
    for one in any_recording.resources:
        if one.type.startswith("kubernetes:") and "namespace" in one.inputs["metadata"]:
            assert one.inputs["metadata"]["namespace"] == namespace["metadata"]["name"]


def test_nothing_is_open_to_the_outside(any_recording: Recording) -> None:
    assert {name: one["spec"]["type"] for name, one in of(any_recording, SERVICE).items()} == {"flower": "ClusterIP"}


@pytest.mark.parametrize(
    ("secret", "user"),
    [(f"worker-{group.name}", f"group.{group.name}") for group in CATALOG.groups]
    + [("relay", "relay"), ("keeper", "keeper"), ("flower", "flower")],
)
def test_each_talks_to_the_broker_as_its_own_user(there: Recording, secret: str, user: str) -> None:
    login = f"millrace-test.{user}:{there.outputs['users'][f'millrace-test.{user}']}"
    nodes = [f"amqps://{login}@rabbit-{number}.example.com:5671/millrace-test" for number in (0, 1)]
    held = decoded(of(there, SECRET)[secret])
    assert held["MILLRACE_BROKER_URL"] == ";".join(nodes)
    if secret.startswith("worker-"):
        monitor = there.outputs["users"]["millrace-test.monitor"]
        assert held["MILLRACE_MONITORING_URL"] == f"https://millrace-test.monitor:{monitor}@rabbit.example.com:15671"
        assert (held["MILLRACE_DATABASE_URL"], held["MILLRACE_SMTP_URL"]) == (DATABASE_URL, SMTP_URL)


def test_at_the_door_of_aws_each_is_a_role_of_its_own(own: Recording, there: Recording) -> None:
    accounts = of(own, SERVICE_ACCOUNT)
    for name in ("ingress", "egress", "dynamo-relay"):
        role = accounts[name]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        assert role == f"arn:aws:iam::210987654321:role/millrace-test-{name}"
        assert ("0.0.0.0/0", 443) in egress(of(own, NETWORK_POLICY)[name])
        plain = {one["name"]: one.get("value") for one in _pod(own, name)["env"]}
        assert (plain["MILLRACE_AWS_REGION"], plain["MILLRACE_AWS_ACCOUNT"]) == ("eu-central-1", "210987654321")
    assert "annotations" not in accounts["relay"]["metadata"]
    assert "ingress" not in of(there, DEPLOYMENT)


def _pod(recording: Recording, name: str) -> dict[str, list[dict[str, str]]]:
    return dict(container(of(recording, DEPLOYMENT)[name]["spec"]["template"]["spec"]))


def test_flower_has_a_login_that_is_told_once(there: Recording) -> None:
    login = decoded(of(there, SECRET)["flower"])["FLOWER_BASIC_AUTH"]
    assert login == there.outputs["flowerLogin"]
    user, _, password = login.partition(":")
    assert user == "millrace"
    assert len(password) == 40


def test_workers_start_when_all_of_their_group_is_at_the_broker(there: Recording) -> None:
    by_urn = {one.urn: one for one in there.resources}
    for group in CATALOG.groups:
        (deployment,) = [
            one for one in there.resources if one.type == DEPLOYMENT and one.name == f"worker-{group.name}"
        ]
        before = {by_urn[urn].name for urn in deployment.dependencies if urn in by_urn}
        stamps = {one.name for one in there.resources if one.name.startswith(f"stamp.{group.name}.")}
        assert stamps
        assert stamps <= before
        assert f"millrace-test.group.{group.name}" in before
