"""`up` on a real RabbitMQ: what it makes, that it is repeatable, and that it puts right what was meddled with."""

import stat
import time

import pytest
from millrace import names
from millrace.topology import topology

from infra import offline_engine
from infra.offline_engine import BrokerProblem, NotAllApplied, NotApplied
from tests.integration.infra.conftest import StackUnderTest


def test_makes_all_of_the_topology_and_a_second_run_changes_nothing(whole_stack: StackUnderTest) -> None:
    stack = whole_stack
    before = stack.preview()
    first = stack.up()
    whole = topology(stack.catalog, stack.vhost)
    queues = stack.queues()
    assert {queue.name for queue in whole.queues} == queues.keys()
    # Every queue has its policy by the time that `up` returns.
    for policy in (policy for policy in whole.policies if policy.apply_to == "queues"):
        assert queues[policy.target]["policy"] == policy.name
    found = {exchange["name"] for exchange in stack.get(f"exchanges/{stack.vhost}")}
    assert {exchange.name for exchange in whole.exchanges} <= found
    assert sorted(first.created) == sorted(before.created)
    started = time.monotonic()
    second = stack.up()
    assert second.total == 0
    assert second.unchanged == len(first.created)
    assert time.monotonic() - started < 30


def test_outputs_are_logins_that_work_and_stay(stack: StackUnderTest) -> None:
    stack.up()
    first = offline_engine.outputs(stack.name, stack.state_dir)
    stack.up()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in stack.state_dir.glob("*.json")}
    assert modes == {f"{stack.name}.json": 0o600}, "the state is for its owner only"
    assert offline_engine.outputs(stack.name, stack.state_dir) == first
    assert first["users"].keys() == {user.name for user in topology(stack.catalog, stack.vhost).users}
    monitor = names.own_user(stack.vhost, "monitor")
    answer = stack.client.get("/api/whoami", auth=(monitor, first["users"][monitor]))
    assert answer.is_success


def test_preview_touches_nothing(stack: StackUnderTest) -> None:
    assert stack.preview().total > 0
    assert stack.vhost not in {vhost["name"] for vhost in stack.get("vhosts")}
    with pytest.raises(NotApplied, match="run up first"):
        offline_engine.outputs(stack.name, stack.state_dir)


def test_meddling_is_put_right(stack: StackUnderTest) -> None:
    stack.up()
    user = names.group_user(stack.vhost, "signup")
    password = offline_engine.outputs(stack.name, stack.state_dir)["users"][user]
    stack.put(f"policies/{stack.vhost}/signup", {"pattern": "^signup$", "definition": {"max-length": 1}})
    stack.delete(f"queues/{stack.vhost}/analytics")
    stack.delete(f"exchanges/{stack.vhost}/{names.DEAD}")
    (binding,) = stack.get(f"bindings/{stack.vhost}/e/{names.GROUPS}/q/signup")
    stack.delete(f"bindings/{stack.vhost}/e/{names.GROUPS}/q/signup/{binding['properties_key']}")
    stack.put(f"users/{user}", {"password": "other", "tags": "administrator"})
    stack.put(f"permissions/{stack.vhost}/{user}", {"configure": ".*", "write": ".*", "read": ".*"})
    stack.delete(f"topic-permissions/{stack.vhost}/{user}")

    changes = stack.up()

    # RabbitMQ 4 deletes with an exchange the topic permissions on it, of every user.
    dropped = {f"topic permissions of {names.group_user(stack.vhost, 'analytics')}"}
    assert set(changes.updated) - dropped == {"policy signup", f"user {user}", f"permissions of {user}"}
    assert {"queue analytics", f"exchange {names.DEAD}", f"topic permissions of {user}"} < set(changes.created)
    assert stack.queues()["signup"]["policy"] == "signup"
    assert stack.get(f"policies/{stack.vhost}/signup")["definition"]["dead-letter-exchange"] == names.DEAD
    assert len(stack.get(f"bindings/{stack.vhost}/e/{names.GROUPS}/q/signup")) == 1
    answer = stack.client.get("/api/whoami", auth=(user, password))
    assert answer.status_code == 401
    assert "not_authorised" in answer.text.lower() or "management" in answer.text.lower()
    assert stack.up().total == 0


def test_a_queue_of_another_type_is_named_and_the_rest_is_applied(stack: StackUnderTest) -> None:
    stack.up()
    stack.delete(f"queues/{stack.vhost}/signup")
    stack.put(f"queues/{stack.vhost}/signup", {"durable": True, "arguments": {"x-queue-type": "classic"}})
    stack.delete(f"queues/{stack.vhost}/analytics")
    with pytest.raises(NotAllApplied) as caught:
        stack.up()
    assert list(caught.value.problems) == ["queue signup"]
    assert "delete it, run up again" in str(caught.value)
    assert stack.queues()["signup"]["type"] == "classic"
    assert stack.queues()["analytics"]["type"] == "quorum"
    stack.delete(f"queues/{stack.vhost}/signup")
    stack.up()
    assert stack.queues()["signup"]["type"] == "quorum"


def test_a_stray_policy_that_governs_a_queue_is_named(stack: StackUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.up()
    monkeypatch.setattr("infra.offline_engine.settling.DEADLINE_SECONDS", 0.5)
    body = {"pattern": "^signup$", "priority": 9, "apply-to": "queues", "definition": {"max-length": 1}}
    stack.put(f"policies/{stack.vhost}/stray", body)
    with pytest.raises(NotAllApplied, match="governed by policy 'stray', must be 'signup'"):
        stack.up()


def test_a_broker_that_does_not_answer_is_said_so(stack: StackUnderTest) -> None:
    place = stack.place | {"management_url": "http://127.0.0.1:1"}
    with pytest.raises(BrokerProblem, match=r"does not answer.*start the broker"):
        offline_engine.up(stack.name, **place)


def test_a_wrong_password_is_said_so(stack: StackUnderTest) -> None:
    place = stack.place | {"admin_password": "wrong"}
    with pytest.raises(BrokerProblem, match="the user or its password is wrong"):
        offline_engine.up(stack.name, **place)
