"""What KEDA is told of each group is what the formula says."""

import math
from dataclasses import replace

import pytest
from millrace.declarations import WorkerGroup
from millrace.derived import polling, timing
from millrace.scaling import STEP_DOWN, STEP_DOWN_SHARE, STEP_SECONDS, STEP_UP, scale_of

from infra.kubernetes.scaled_object import scaled_object_spec
from infra.offline_engine.recording import Recording
from tests.unit.infra.kubernetes.stack import (
    CATALOG,
    DEPLOYMENT,
    SCALED_OBJECT,
    SECRET,
    TRIGGER_AUTHENTICATION,
    decoded,
    of,
)

CONCURRENCY = 4
GROUPS = pytest.mark.parametrize("group", CATALOG.groups, ids=lambda group: group.name)


@GROUPS
def test_each_group_has_one_and_it_is_the_rendered_one(there: Recording, group: WorkerGroup) -> None:
    declared = of(there, SCALED_OBJECT)[f"worker-{group.name}"]
    assert declared["spec"] == scaled_object_spec(group, "millrace-test", CONCURRENCY)
    target = declared["spec"]["scaleTargetRef"]
    assert target["name"] in of(there, DEPLOYMENT)
    assert (target["kind"], target["apiVersion"]) == ("Deployment", "apps/v1")


@GROUPS
def test_bounds_and_times(group: WorkerGroup) -> None:
    spec = scaled_object_spec(group, "v", CONCURRENCY)
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == group.replicas
    assert spec["pollingInterval"] == math.ceil(polling(group))
    assert spec["cooldownPeriod"] == math.ceil(timing(group).cool_down)
    assert spec["cooldownPeriod"] > group.longest_runtime.total_seconds()
    assert spec["fallback"]["replicas"] == max(1, group.replicas[0])
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
    assert spec["fallback"]["failureThreshold"] == 3


@GROUPS
def test_triggers_count_what_a_worker_has_in_hand_and_what_it_ends(group: WorkerGroup) -> None:
    scale = scale_of(group, CONCURRENCY)
    backlog, *arrivals = scaled_object_spec(group, "v", CONCURRENCY)["triggers"]
    for trigger in (backlog, *arrivals):
        assert (trigger["type"], trigger["metricType"]) == ("rabbitmq", "AverageValue")
        told = trigger["metadata"]
        assert (told["protocol"], told["queueName"], told["vhostName"]) == ("http", group.name, "v")
        assert (told["excludeUnacknowledged"], told["activationValue"]) == ("false", "0")
        assert all(isinstance(value, str) for value in told.values()), "KEDA takes text only"
    assert (backlog["metadata"]["mode"], float(backlog["metadata"]["value"])) == ("QueueLength", scale.slots)
    modes = [(one["metadata"]["mode"], float(one["metadata"]["value"])) for one in arrivals]
    assert modes == ([("MessageRate", scale.rate)] if scale.rate else [])


def test_both_kinds_of_group_are_here() -> None:
    assert {bool(scale_of(group, CONCURRENCY).rate) for group in CATALOG.groups} == {True, False}


@GROUPS
def test_the_hpa_steps_as_the_damping_does(group: WorkerGroup) -> None:
    behavior = scaled_object_spec(group, "v", CONCURRENCY)["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    up, down = behavior["scaleUp"], behavior["scaleDown"]
    assert up["stabilizationWindowSeconds"] == 0
    assert down["stabilizationWindowSeconds"] == min(3600, math.ceil(timing(group).cool_down))
    for one, pods, share in ((up, STEP_UP, 1), (down, STEP_DOWN, STEP_DOWN_SHARE)):
        assert one["selectPolicy"] == "Max"
        assert {policy["type"]: policy["value"] for policy in one["policies"]} == {"Pods": pods, "Percent": share * 100}
        assert {policy["periodSeconds"] for policy in one["policies"]} == {STEP_SECONDS}


def test_a_group_that_never_sleeps_falls_back_to_its_smallest() -> None:
    group = replace(CATALOG.groups[0], replicas=(3, 9))
    assert scaled_object_spec(group, "v", CONCURRENCY)["fallback"]["replicas"] == 3


def test_keda_reads_as_the_monitoring_user_by_a_secret(there: Recording) -> None:
    (authentication,) = of(there, TRIGGER_AUTHENTICATION).values()
    found = {one["parameter"]: (one["name"], one["key"]) for one in authentication["spec"]["secretTargetRef"]}
    assert found == {name: ("monitor", name) for name in ("host", "username", "password")}
    held = decoded(of(there, SECRET)["monitor"])
    assert (held["host"], held["username"]) == ("https://rabbit.example.com:15671", "millrace-test.monitor")
    assert held["password"] == there.outputs["users"]["millrace-test.monitor"]
    for one in of(there, SCALED_OBJECT).values():
        for trigger in one["spec"]["triggers"]:
            assert trigger["authenticationRef"] == {"name": authentication["metadata"]["name"]}


def test_an_authority_of_ones_own_is_told_to_keda(own: Recording) -> None:
    (authentication,) = of(own, TRIGGER_AUTHENTICATION).values()
    found = {one["parameter"]: (one["name"], one["key"]) for one in authentication["spec"]["secretTargetRef"]}
    assert found["ca"] == ("broker-tls", "ca.crt")
    assert decoded(of(own, SECRET)["monitor"])["tls"] == "enable"


def test_it_comes_after_what_it_counts(any_recording: Recording) -> None:
    urns = {one.name: one.urn for one in any_recording.resources if one.type == DEPLOYMENT}
    (authentication,) = [one.urn for one in any_recording.resources if one.type == TRIGGER_AUTHENTICATION]
    for one in any_recording.resources:
        if one.type == SCALED_OBJECT:
            assert {urns[one.name], authentication} <= set(one.dependencies)
