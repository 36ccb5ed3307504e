"""No group without a maximum, and all of them within the quota."""

import pytest

from infra.guardrails import Limits
from tests.unit.infra.guardrails import cluster
from tests.unit.infra.guardrails.breaking import Edit, Stack, broken, drop, edited, messages, set_at, without
from tests.unit.infra.guardrails.cluster import DEPLOYMENT, QUOTA, SCALED_OBJECT, WORKER

RULE = "group-has-maximum"
WITHIN = "replicas-within-quota"
CONTAINER = ("spec", "template", "spec", "containers", 0)
#: Four workers, two relays, keeper, Flower, three at the AWS door, three nodes of the broker.
TOTAL = 14
FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"


def test_a_group_without_its_scaler_is_refused(whole: Stack) -> None:
    stack = without(whole, SCALED_OBJECT, WORKER)
    assert broken(stack) == {(RULE, WORKER)}
    assert messages(stack) == ["group 'signup' must have a ScaledObject with this Deployment as its scaleTargetRef"]


@pytest.mark.parametrize(
    "edit",
    [
        set_at(*CONTAINER, to={"args": ["workers", "signup"]}),
        set_at(*CONTAINER, to={"command": ["python", "-m"], "args": ["workers", "signup"]}),
        set_at(*CONTAINER, to={"command": ["sh", "-c", "exec python -m workers signup"]}),
        set_at(*CONTAINER, to={"command": ["python", "-m", "workers", "signup", "--verbose"]}),
    ],
    ids=["entry point of the image", "both", "shell", "option"],
)
def test_a_group_is_told_however_it_is_started(whole: Stack, edit: Edit) -> None:
    stack = edited(without(whole, SCALED_OBJECT, WORKER), DEPLOYMENT, WORKER, edit)
    assert any(message.startswith("group 'signup' must have a ScaledObject") for message in messages(stack))


@pytest.mark.parametrize(
    ("type_", "more"),
    [
        ("kubernetes:apps/v1:StatefulSet", {"replicas": 3}),
        ("kubernetes:batch/v1:Job", {"parallelism": 3}),
        ("kubernetes:apps/v1:DaemonSet", {}),
    ],
)
def test_a_group_is_nothing_but_a_deployment(whole: Stack, type_: str, more: dict[str, int]) -> None:
    (worker,) = (one for one in whole if (one.type, one.name) == (DEPLOYMENT, WORKER))
    other = cluster.thing(type_, "other", spec={"template": worker.inputs["spec"]["template"], **more})
    assert broken((*whole, other), Limits(max_replicas=TOTAL + 3)) - {(WITHIN, WORKER)} == {(RULE, "other")}


def test_a_fixed_number_is_no_maximum_of_a_group(whole: Stack) -> None:
    stack = without(whole, SCALED_OBJECT, WORKER)
    assert broken(edited(stack, DEPLOYMENT, WORKER, set_at("spec", "replicas", to=3))) == {(RULE, WORKER)}


@pytest.mark.parametrize(
    "edit",
    [
        set_at("spec", "scaleTargetRef", "name", to="another"),
        set_at("spec", "scaleTargetRef", "kind", to="StatefulSet"),
        set_at("metadata", "namespace", to="another"),
        drop("spec", "maxReplicaCount"),
        set_at("spec", "maxReplicaCount", to=0),
    ],
    ids=["name", "kind", "namespace", "no maximum", "zero"],
)
def test_a_scaler_that_bounds_nothing_is_refused(whole: Stack, edit: Edit) -> None:
    assert broken(edited(whole, SCALED_OBJECT, WORKER, edit), Limits(max_replicas=TOTAL)) == {(RULE, WORKER)}


def test_two_hands_on_one_number_are_refused(whole: Stack) -> None:
    assert broken(edited(whole, DEPLOYMENT, WORKER, set_at("spec", "replicas", to=1))) == {(RULE, WORKER)}
    (scaler,) = (one for one in whole if one.type == SCALED_OBJECT)
    second = cluster.thing(SCALED_OBJECT, "again", spec=scaler.inputs["spec"])
    assert broken((*whole, second)) == {(RULE, WORKER)}


def test_what_is_scaled_by_nothing_has_a_fixed_number(whole: Stack) -> None:
    assert broken(edited(whole, DEPLOYMENT, "relay", drop("spec", "replicas"))) == {(RULE, "relay")}


def test_a_function_without_a_bound_is_refused(whole: Stack) -> None:
    plain = next(one for one in whole if one.type == FUNCTION and "reservedConcurrentExecutions" in one.inputs)
    for none in (None, -1):
        stack = edited(whole, FUNCTION, plain.name, set_at("reservedConcurrentExecutions", to=none))
        assert broken(stack) == {(RULE, plain.name)}
    mapping = next(one for one in whole if one.type == MAPPING)
    group = mapping.inputs["functionName"]
    assert broken(edited(whole, MAPPING, mapping.name, drop("scalingConfig"))) == {(RULE, group)}
    assert broken(without(whole, MAPPING, mapping.name)) == {(RULE, group)}


def test_more_replicas_than_the_quota_are_refused(whole: Stack) -> None:
    assert broken(whole, Limits(max_replicas=TOTAL)) == set()
    assert broken(whole, Limits(max_replicas=TOTAL - 1)) == {(WITHIN, WORKER)}
    (said,) = messages(whole, Limits(max_replicas=TOTAL - 1))
    assert said.startswith("all replicas together may be 14, 4 of them here, the quota is 13: ")


def test_replicas_that_the_namespace_would_hold_back_are_refused(whole: Stack) -> None:
    assert broken(edited(whole, QUOTA, "pods", set_at("spec", "hard", "pods", to=str(TOTAL - 1)))) == {(WITHIN, WORKER)}


@pytest.mark.parametrize(
    "edit",
    [set_at("metadata", "namespace", to="another"), set_at("spec", "hard", to={"cpu": "4"})],
    ids=["elsewhere", "not of pods"],
)
def test_there_must_be_a_quota(whole: Stack, edit: Edit) -> None:
    stack = edited(whole, QUOTA, "pods", edit)
    assert {rule for rule, _ in broken(stack)} == {WITHIN}
    assert messages(stack) == ["namespace 'millrace' has no quota: give it a ResourceQuota with spec.hard.pods"]
    assert broken(stack, Limits(max_replicas=TOTAL)) == set()
