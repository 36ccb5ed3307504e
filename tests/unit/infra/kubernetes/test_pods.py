"""What holds for every pod of a stack: closed, bounded, known by digest, and asked whether it works."""

import math

import pytest
from millrace.declarations import WorkerGroup
from millrace.derived import PROBE_FAILURES, PROBE_SECONDS, START_SECONDS, processes, timing

from infra.offline_engine.recording import Recording
from tests.unit.infra.kubernetes.stack import (
    CATALOG,
    DEPLOYMENT,
    DIGEST,
    DISRUPTION,
    JOB,
    SECRET,
    SERVICE_ACCOUNT,
    container,
    of,
    plain,
    pods,
)

GROUPS = pytest.mark.parametrize("group", CATALOG.groups, ids=lambda group: group.name)


def test_pods_are_as_pod_security_calls_restricted(any_recording: Recording) -> None:
    seen = [name for name, _ in pods(any_recording)]
    assert len(seen) >= len(CATALOG.groups) + 4
    for name, pod in pods(any_recording):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        confined = container(pod)["securityContext"]
        assert confined["allowPrivilegeEscalation"] is False
        assert confined["capabilities"] == {"drop": ["ALL"]}
        assert confined["privileged"] is False
        assert confined["readOnlyRootFilesystem"] is True
        assert {tuple(volume.keys() - {"name"}) for volume in pod["volumes"]} <= {("emptyDir",), ("secret",)}


def test_pods_write_to_a_bounded_folder_of_their_own_only(any_recording: Recording) -> None:
    for name, pod in pods(any_recording):
        written = [one["mountPath"] for one in container(pod)["volumeMounts"] if not one.get("readOnly")]
        assert written == [plain(pod)["TMPDIR"]] == ["/tmp"], name  # noqa: S108
        (temporary,) = [one for one in pod["volumes"] if "emptyDir" in one]
        assert temporary["emptyDir"]["sizeLimit"]


def test_no_pod_has_a_token_of_the_api_server(any_recording: Recording) -> None:
    accounts = of(any_recording, SERVICE_ACCOUNT)
    assert all(one["automountServiceAccountToken"] is False for one in accounts.values())
    for _, pod in pods(any_recording):
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] in accounts
    assert len({pod["serviceAccountName"] for _, pod in pods(any_recording)}) == len(list(pods(any_recording)))


def test_every_image_is_known_by_its_digest(any_recording: Recording) -> None:
    assert {container(pod)["image"] for _, pod in pods(any_recording)} == {f"registry.example.com/workers@{DIGEST}"}


def test_commands_are_run_without_a_shell(any_recording: Recording) -> None:
    """So that signals reach the process."""
    for name, pod in pods(any_recording):
        command = container(pod)["command"]
        assert command[:2] == ["python", "-m"], name
        assert "args" not in container(pod)


def test_memory_is_bounded_by_what_is_asked_for(any_recording: Recording) -> None:
    for name, pod in pods(any_recording):
        resources = container(pod)["resources"]
        assert resources["limits"] == {"memory": resources["requests"]["memory"]}, name
        assert resources["requests"]["cpu"].endswith("m")


def test_no_secret_is_in_a_pod(any_recording: Recording) -> None:
    """They are in a Secret that has the name of the workload, and what is named there is in it."""
    for _, pod in pods(any_recording):
        for one in container(pod)["env"]:
            if "valueFrom" in one:
                of_secret = one["valueFrom"]["secretKeyRef"]
                assert of_secret["key"] == one["name"]
                assert of_secret["name"] == pod["serviceAccountName"]
                assert of_secret["key"] in of(any_recording, SECRET)[of_secret["name"]]["data"]
            else:
                assert "://" not in one["value"], one["name"]


def test_deployments_are_asked_and_what_is_found_dead_is_late_dead(any_recording: Recording) -> None:
    for name, pod in pods(any_recording):
        asked = container(pod)
        if name.startswith("migrate-"):
            assert not [key for key in asked if key.endswith("Probe")]
            continue
        (port,) = asked["ports"]
        for key, path, failures in (
            ("startupProbe", "/live", math.ceil(START_SECONDS / PROBE_SECONDS)),
            ("livenessProbe", "/live", PROBE_FAILURES),
            ("readinessProbe", "/ready", 1),
        ):
            probe = asked[key]
            assert (probe["periodSeconds"], probe["failureThreshold"]) == (PROBE_SECONDS, failures), name
            if name == "flower":
                assert probe["tcpSocket"] == {"port": port["containerPort"]}
            else:
                assert probe["httpGet"] == {"path": path, "port": port["containerPort"]}
                assert plain(pod)["MILLRACE_METRICS_PORT"] == f"{port['containerPort']:.0f}"
                assert plain(pod)["MILLRACE_METRICS_ADDRESS"] == "0.0.0.0"  # noqa: S104


@GROUPS
def test_a_groups_pods(there: Recording, group: WorkerGroup) -> None:
    deployment = of(there, DEPLOYMENT)[f"worker-{group.name}"]
    pod = deployment["spec"]["template"]["spec"]
    assert container(pod)["command"] == ["python", "-m", "workers", group.name]
    assert pod["terminationGracePeriodSeconds"] == math.ceil(timing(group).grace)
    assert pod["terminationGracePeriodSeconds"] > group.longest_runtime.total_seconds()
    # The worker ends itself at what it may use, and is given the room for it.
    may_use = max(group.memory, 128 + 96 * processes(group, 4))
    assert container(pod)["resources"]["limits"]["memory"] == f"{math.ceil(may_use * 1.25)}Mi"
    assert container(pod)["resources"]["requests"]["cpu"] == f"{100 * processes(group, 4)}m"
    assert plain(pod)["MILLRACE_CONCURRENCY"] == "4"
    assert "replicas" not in deployment["spec"], "KEDA counts them"
    told = {one["name"] for one in container(pod)["env"] if "valueFrom" in one}
    kinds = ("BROKER", "DATABASE", "MONITORING", "SMTP")
    assert told == {f"MILLRACE_{kind}_URL" for kind in kinds}


def test_workloads_are_spread_and_not_all_taken_away(any_recording: Recording) -> None:
    budgets = of(any_recording, DISRUPTION)
    for name, deployment in of(any_recording, DEPLOYMENT).items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"] == {"matchLabels": labels}
        (spread,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert (spread["topologyKey"], spread["maxSkew"]) == ("topology.kubernetes.io/zone", 1)
        assert spread["labelSelector"] == budgets[name]["spec"]["selector"] == {"matchLabels": labels}
        assert budgets[name]["spec"]["maxUnavailable"] == 1
    selectors = [str(one["spec"]["selector"]) for one in of(any_recording, DEPLOYMENT).values()]
    assert len(set(selectors)) == len(selectors)


def test_a_rollout_takes_none_away_before_another_is_ready(any_recording: Recording) -> None:
    for name, deployment in of(any_recording, DEPLOYMENT).items():
        strategy = deployment["spec"]["strategy"]
        if name in ("keeper", "flower"):
            assert strategy == {"type": "Recreate"}, "two of it would do the same work twice"
        else:
            assert strategy["rollingUpdate"]["maxUnavailable"] == 0
    counted = {name: one["spec"].get("replicas") for name, one in of(any_recording, DEPLOYMENT).items()}
    assert (counted["relay"], counted["keeper"], counted["flower"]) == (2, 1, 1)


def test_a_changed_password_makes_other_pods(there: Recording, recorded: object) -> None:
    """Nothing else tells the pods of it; a second run with the same passwords makes the same."""
    assert callable(recorded)
    again = recorded()

    def digests(recording: Recording) -> dict[str, str]:
        found = of(recording, DEPLOYMENT)
        key = "millrace/secret-digest"
        return {name: one["spec"]["template"]["metadata"]["annotations"][key] for name, one in found.items()}

    first, second = digests(there), digests(again)
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values()), "each run here has made passwords of its own"


def test_migrations_end_before_anything_starts(any_recording: Recording) -> None:
    (job,) = of(any_recording, JOB).values()
    assert job["metadata"]["name"] == "migrate-0123456789abcdef"
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["python", "-m", "workers.migrate"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert "ttlSecondsAfterFinished" not in job["spec"], "a Job that is gone would be made again"
    (made,) = [one for one in any_recording.resources if one.type == JOB]
    deployments = [one for one in any_recording.resources if one.type == DEPLOYMENT]
    assert deployments
    assert all(made.urn in one.dependencies for one in deployments)
