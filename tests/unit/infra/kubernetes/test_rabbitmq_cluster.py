"""A broker of the stack's own: by TLS, bounded, kept, with a quorum that no edit can break."""

from typing import Any

import pytest
from pulumi.runtime.proto.resource_pb2 import RegisterResourceRequest, RegisterResourceResponse

from infra.__main__ import declare
from infra.offline_engine.recording import Monitor, Recording, run
from infra.settings import Settings
from tests.unit.infra.kubernetes.conftest import Record
from tests.unit.infra.kubernetes.stack import (
    ADMISSION,
    ADMISSION_BINDING,
    CLUSTER,
    NETWORK_POLICY,
    SECRET,
    SETTINGS,
    SMALL,
    container,
    decoded,
    of,
    plain,
    pods,
)
from tests.unit.infra.test_program import Wire


@pytest.fixture(scope="module")
def spec(own: Recording) -> dict[str, Any]:
    (cluster,) = of(own, CLUSTER).values()
    return dict(cluster["spec"])


def test_it_is_made_only_where_it_is_asked_for(there: Recording) -> None:
    assert not of(there, CLUSTER)
    assert not of(there, ADMISSION)


def test_its_size_and_its_limits(spec: dict[str, Any]) -> None:
    assert spec["replicas"] == 3
    assert spec["persistence"] == {"storage": "20Gi"}
    assert spec["resources"]["limits"]["memory"] == spec["resources"]["requests"]["memory"] == "2048Mi"
    configuration = spec["rabbitmq"]["additionalConfig"].splitlines()
    assert "disk_free_limit.relative = 1.0" in configuration
    assert "cluster_partition_handling = pause_minority" in configuration


def test_it_speaks_tls_only(own: Recording, spec: dict[str, Any]) -> None:
    assert spec["tls"] == {"secretName": "broker-tls", "disableNonTLSListeners": True}
    held = decoded(of(own, SECRET)["worker-signup"])
    assert "@broker.millrace.svc:5671/" in held["MILLRACE_BROKER_URL"]
    assert held["MILLRACE_BROKER_URL"].startswith("amqps://")
    assert held["MILLRACE_MONITORING_URL"].endswith("@broker.millrace.svc:15671")
    assert held["MILLRACE_MONITORING_URL"].startswith("https://")


def test_pods_get_the_authority_and_never_the_brokers_key(own: Recording) -> None:
    for name, pod in pods(own):
        (volume,) = [one for one in pod["volumes"] if "secret" in one]
        assert volume["secret"] == {"secretName": "broker-tls", "items": [{"key": "ca.crt", "path": "ca.crt"}]}, name
        (mount,) = [one for one in container(pod)["volumeMounts"] if one["name"] == volume["name"]]
        assert plain(pod)["SSL_CERT_FILE"] == f"{mount['mountPath']}/ca.crt"


def test_without_an_authority_of_ones_own_the_public_ones_are_trusted(there: Recording) -> None:
    for _, pod in pods(there):
        assert "SSL_CERT_FILE" not in plain(pod)
        assert not [one for one in pod["volumes"] if "secret" in one]


def test_its_administrator_is_the_one_of_the_settings(own: Recording, spec: dict[str, Any]) -> None:
    held = decoded(of(own, SECRET)[spec["secretBackend"]["externalSecret"]["name"]])
    assert (held["username"], held["password"]) == ("guest", "top-secret")
    assert held["default_user.conf"] == "default_user = guest\ndefault_pass = top-secret\n"


def test_its_nodes_are_in_different_zones_and_restricted(spec: dict[str, Any]) -> None:
    template = spec["override"]["statefulSet"]["spec"]["template"]["spec"]
    (spread,) = template["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    for one in (*template["containers"], *template["initContainers"]):
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert one["securityContext"]["runAsNonRoot"] is True


def test_the_api_server_keeps_its_size_odd_and_never_less(own: Recording) -> None:
    """What the rules do is the API server's to say; that they are bound to just this namespace is ours."""
    (policy,), (binding,) = of(own, ADMISSION).values(), of(own, ADMISSION_BINDING).values()
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert [one["expression"] for one in policy["spec"]["validations"]] == [
        "object.spec.replicas % 2 == 1",
        "oldObject == null || object.spec.replicas >= oldObject.spec.replicas",
    ]
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["validationActions"] == ["Deny"]
    here = binding["spec"]["matchResources"]["namespaceSelector"]["matchLabels"]
    assert here == {"kubernetes.io/metadata.name": "millrace"}


def test_nothing_is_made_in_it_before_it_is_there(config: dict[str, str]) -> None:
    """The provider waits for it, and so does whatever is made by the provider."""
    seen: dict[str, list[str]] = {}

    class Watching(Monitor):
        def RegisterResource(self, request: RegisterResourceRequest) -> RegisterResourceResponse:
            seen[request.type] = list(request.dependencies)
            return super().RegisterResource(request)

    settings = config | SETTINGS | {"brokerNodes": "3", "brokerCertificate": "broker-tls"}
    run(lambda: declare(SMALL, Settings.load()), Watching(Wire()), stack="test", config=settings)
    assert [urn.split("$")[-1].split("::")[0] for urn in seen["pulumi:providers:rabbitmq"]] == [CLUSTER]


def test_pulumi_waits_until_all_its_nodes_are_ready(own: Recording) -> None:
    """The rules and the login come first."""
    (cluster,) = [one for one in own.resources if one.type == CLUSTER]
    annotations = cluster.inputs["metadata"]["annotations"]
    assert annotations == {"pulumi.com/waitFor": "condition=AllReplicasReady"}
    first = {one.urn for one in own.resources if one.type in (ADMISSION, ADMISSION_BINDING)}
    first |= {one.urn for one in own.resources if one.name == "broker-administrator"}
    assert first <= set(cluster.dependencies)


def test_its_nodes_talk_to_each_other_and_to_all_who_have_a_login(own: Recording) -> None:
    rules = of(own, NETWORK_POLICY)["broker"]["spec"]["ingress"]
    open_ = {port["port"] for rule in rules if "from" not in rule for port in rule["ports"]}
    among = {port["port"] for rule in rules if "from" in rule for port in rule["ports"]}
    assert (open_, among) == ({5671, 15671, 15691}, {4369, 25672})


@pytest.mark.parametrize("nodes", ["5", "7"])
def test_any_odd_size_will_do(recorded: Record, nodes: str) -> None:
    (cluster,) = of(recorded(SMALL, brokerNodes=nodes, brokerCertificate="broker-tls"), CLUSTER).values()
    assert cluster["spec"]["replicas"] == int(nodes)
