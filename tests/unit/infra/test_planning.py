"""What the engine plans, from a declared resource, the state and a broker's definitions."""

from typing import Any

import pytest

from infra.offline_engine.access import matches
from infra.offline_engine.errors import ForeignStack, UnknownResource
from infra.offline_engine.kind import Standing
from infra.offline_engine.kinds import QUEUE, VHOST, require_known
from infra.offline_engine.live import parse
from infra.offline_engine.planning import plan, require_own
from infra.offline_engine.resources import Resource, levels
from infra.offline_engine.settling import expected_policies, misgoverned
from infra.offline_engine.state import State

QUORUM = '{"x-queue-type": "quorum"}'


def queue(name: str, *, after: tuple[str, ...] = ()) -> Resource:
    settings = {"durable": True, "autoDelete": False, "argumentsJson": QUORUM}
    inputs = {"name": name, "vhost": "v", "settings": settings}
    return Resource(urn=f"urn:{name}", type=QUEUE, name=name, inputs=inputs, dependencies=after)


def vhost() -> Resource:
    return Resource(urn="urn:v", type=VHOST, name="v", inputs={"name": "v"})


def policy(name: str, pattern: str, priority: int = 0) -> Resource:
    of = {"pattern": pattern, "priority": priority, "applyTo": "queues", "definition": {"delivery-limit": "7"}}
    inputs = {"name": name, "vhost": "v", "policy": of}
    return Resource(urn=f"urn:policy:{name}", type="rabbitmq:index/policy:Policy", name=name, inputs=inputs)


def definitions(**parts: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"vhosts": [{"name": "v"}], "users": [], "permissions": [], "exchanges": []}
    empty |= {"queues": [], "policies": [], "bindings": []}
    return empty | {"global_parameters": [{"name": "internal_cluster_id", "value": "here"}]} | parts


def actual_queue(name: str, kind: str = "quorum") -> dict[str, Any]:
    return {"name": name, "vhost": "v", "durable": True, "auto_delete": False, "arguments": {"x-queue-type": kind}}


def test_what_is_missing_is_created_and_what_is_right_is_left() -> None:
    live = parse(definitions(queues=[actual_queue("a")]))
    work = plan((queue("a"), queue("b")), State(), live)
    assert [step.standing for step in work.steps] == [Standing.RIGHT, Standing.ABSENT]
    assert work.changes().created == ("queue b",)


def test_a_queue_of_another_type_can_not_be_put_right() -> None:
    live = parse(definitions(queues=[actual_queue("a", "classic")]))
    assert plan((queue("a"),), State(), live).steps[0].standing is Standing.FIXED


def test_an_edited_policy_is_put_right_and_numbers_are_numbers() -> None:
    right = {"name": "p", "vhost": "v", "pattern": "^a$", "apply-to": "queues", "priority": 0}
    for limit, standing in ((7, Standing.RIGHT), (8, Standing.WRONG), ("7", Standing.WRONG)):
        live = parse(definitions(policies=[right | {"definition": {"delivery-limit": limit}}]))
        assert plan((policy("p", "^a$"),), State(), live).steps[0].standing is standing


def test_only_ours_is_removed_dependents_first() -> None:
    live = parse(definitions(queues=[actual_queue(name) for name in ("a", "b", "c", "by-hand")]))
    state = State(cluster="here", resources=(queue("a"), queue("b"), queue("c"), queue("gone")))
    work = plan((queue("a"),), state, live)
    assert [resource.name for resource in work.removals] == ["c", "b"]


def test_a_resource_with_a_new_pulumi_name_is_the_same_resource() -> None:
    live = parse(definitions(queues=[actual_queue("a")]))
    renamed = Resource(urn="urn:other", type=QUEUE, name="other", inputs=queue("a").inputs)
    work = plan((renamed,), State(resources=(queue("a"),)), live)
    assert not work.removals
    assert work.changes().total == 0


def test_a_vhost_of_others_is_refused_unless_empty() -> None:
    full = parse(definitions(queues=[actual_queue("a")]))
    with pytest.raises(ForeignStack):
        require_own((vhost(),), State(), full)
    with pytest.raises(ForeignStack):
        require_own((vhost(),), State(cluster="elsewhere", resources=(vhost(),)), full)
    require_own((vhost(),), State(cluster="here", resources=(vhost(),)), full)
    require_own((vhost(),), State(), parse(definitions()))


def test_levels_keep_dependencies_apart() -> None:
    chain = (queue("a"), queue("b", after=("urn:a",)), queue("c"), queue("d", after=("urn:b", "urn:c")))
    assert [[resource.name for resource in level] for level in levels(chain)] == [["a", "c"], ["b"], ["d"]]


def test_unknown_types_and_inputs_are_named() -> None:
    require_known([queue("a"), vhost(), policy("p", "^a$")])
    strange = Resource(urn="urn:s", type="aws:s3/bucket:Bucket", name="s", inputs={})
    tracing = Resource(urn="urn:t", type=VHOST, name="t", inputs={"name": "t", "tracing": True})
    with pytest.raises(UnknownResource, match=r"aws:s3/bucket:Bucket.*input 'tracing' of rabbitmq:index/vHost"):
        require_known([strange, tracing])


def test_the_policy_of_highest_priority_is_expected() -> None:
    wanted = expected_policies((queue("a"), queue("b"), policy("low", "^a$"), policy("high", "^a", 3)))
    assert wanted == {"a": ("queue a", "high")}
    assert misgoverned(wanted, {"a": {"policy": "high"}}) == {}
    assert "governed by policy 'low', must be 'high'" in misgoverned(wanted, {"a": {"policy": "low"}})["queue a"]


def test_a_password_is_compared_with_its_salted_hash() -> None:
    stored = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"  # of "test12", from RabbitMQ's documentation
    assert matches("test12", stored)
    assert not matches("test13", stored)
