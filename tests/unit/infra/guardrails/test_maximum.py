"""No group without a maximum, and all of them within the quota."""

import pytest

from infra.guardrails import Limits
from tests.unit.infra.guardrails import cluster
from tests.unit.infra.guardrails.breaking import Edit, Stack, broken, drop, edited, messages, set_at, without
from tests.unit.infra.guardrails.cluster import DEPLOYMENT, QUOTA, SCALED_OBJECT

RULE = "group-has-maximum"
WITHIN = "replicas-within-quota"
FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"


def test_the_small_stack_is_good() -> None:
    assert messages(cluster.STACK) == []


def test_a_group_without_its_scaler_is_refused() -> None:
    stack = without(cluster.STACK, SCALED_OBJECT, "signup")
    assert broken(stack) == {(RULE, "signup")}
    assert messages(stack) == ["group 'signup' must have a ScaledObject with this Deployment as its scaleTargetRef"]


def test_a_fixed_number_is_no_maximum_of_a_group() -> None:
    stack = without(cluster.STACK, SCALED_OBJECT, "signup")
    assert broken(edited(stack, DEPLOYMENT, "signup", set_at("spec", "replicas", to=3))) == {(RULE, "signup")}


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
def test_a_scaler_that_bounds_nothing_is_refused(edit: Edit) -> None:
    assert broken(edited(cluster.STACK, SCALED_OBJECT, "signup", edit), Limits(max_replicas=20)) == {(RULE, "signup")}


def test_two_hands_on_one_number_are_refused() -> None:
    assert broken(edited(cluster.STACK, DEPLOYMENT, "signup", set_at("spec", "replicas", to=1))) == {(RULE, "signup")}
    (scaler,) = (one for one in cluster.STACK if one.type == SCALED_OBJECT)
    second = cluster.thing(SCALED_OBJECT, "again", spec=scaler.inputs["spec"])
    assert broken((*cluster.STACK, second)) == {(RULE, "signup")}


def test_what_is_scaled_by_nothing_has_a_fixed_number() -> None:
    assert broken(edited(cluster.STACK, DEPLOYMENT, "relay", drop("spec", "replicas"))) == {(RULE, "relay")}


def test_a_function_without_a_bound_is_refused(whole: Stack) -> None:
    plain = next(one for one in whole if one.type == FUNCTION and "reservedConcurrentExecutions" in one.inputs)
    stack = edited(whole, FUNCTION, plain.name, set_at("reservedConcurrentExecutions", to=None))
    assert broken(stack) == {(RULE, plain.name)}
    mapping = next(one for one in whole if one.type == MAPPING)
    group = mapping.inputs["functionName"]
    assert broken(edited(whole, MAPPING, mapping.name, drop("scalingConfig"))) == {(RULE, group)}
    assert broken(without(whole, MAPPING, mapping.name)) == {(RULE, group)}


def test_more_replicas_than_the_quota_are_refused() -> None:
    assert broken(cluster.STACK, Limits(max_replicas=10)) == set()
    assert broken(cluster.STACK, Limits(max_replicas=9)) == {(WITHIN, "signup")}
    (said,) = messages(cluster.STACK, Limits(max_replicas=9))
    assert said.startswith("all replicas together may be 10, 8 of them here, the quota is 9")


def test_replicas_that_the_namespace_would_hold_back_are_refused() -> None:
    assert broken(edited(cluster.STACK, QUOTA, "pods", set_at("spec", "hard", "pods", to="9"))) == {(WITHIN, "signup")}


@pytest.mark.parametrize(
    "edit",
    [set_at("metadata", "namespace", to="another"), set_at("spec", "hard", to={"cpu": "4"})],
    ids=["elsewhere", "not of pods"],
)
def test_there_must_be_a_quota(edit: Edit) -> None:
    stack = edited(cluster.STACK, QUOTA, "pods", edit)
    assert broken(stack) == {(WITHIN, "signup")}
    assert messages(stack) == ["namespace 'millrace' has no quota: give it a ResourceQuota with spec.hard.pods"]
    assert broken(stack, Limits(max_replicas=10)) == set()
