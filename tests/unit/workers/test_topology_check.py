"""The comparison of a topology with a broker's state, over plain data."""

from dataclasses import replace

import pytest
from millrace.broker_parts import Topology
from millrace.catalog import CATALOG
from millrace.topology import group_topology, topology

from workers import topology_check
from workers.broker_state import BrokerState, ExchangeState, QueueState
from workers.topology_check import differences, extras, settled

VHOST = "millrace-test"
WHOLE = topology(CATALOG, VHOST)


def state_of(wanted: Topology) -> BrokerState:
    """The state of a broker that has just this."""
    on_queues = {policy.target: dict(policy.definition) for policy in wanted.policies if policy.apply_to == "queues"}
    on_exchanges = {policy.target: policy.name for policy in wanted.policies if policy.apply_to == "exchanges"}
    return BrokerState(
        exchanges={x.name: ExchangeState(kind=x.kind, policy_name=on_exchanges.get(x.name)) for x in wanted.exchanges},
        queues={
            q.name: QueueState(kind=q.kind, arguments=q.arguments, policy=on_queues.get(q.name)) for q in wanted.queues
        },
        bindings=frozenset((b.source, b.destination, b.key, b.to_exchange) for b in wanted.bindings),
        users={user.name: user for user in wanted.users},
    )


GOOD = state_of(WHOLE)


def with_queue(name: str, **changes: object) -> BrokerState:
    return replace(GOOD, queues={**GOOD.queues, name: replace(GOOD.queues[name], **changes)})  # type: ignore[arg-type]


def test_a_broker_that_agrees_has_no_differences() -> None:
    assert differences(WHOLE, GOOD) == []
    assert extras(WHOLE, GOOD) == []


def test_a_classic_queue_is_named() -> None:
    assert differences(WHOLE, with_queue("signup", kind="classic")) == ["queue signup: must be quorum, is classic"]


def test_an_edited_policy_is_named() -> None:
    edited = {**(GOOD.queues["signup"].policy or {}), "delivery-limit": 5, "max-length": 10}
    assert differences(WHOLE, with_queue("signup", policy=edited)) == [
        "policy signup: delivery-limit must be 1000, is 5",
        "policy signup: max-length must not be set, is 10",
    ]


def test_an_administrator_sees_the_policies_themselves() -> None:
    policies = {
        policy.name: {"pattern": policy.pattern, "apply-to": policy.apply_to, "definition": dict(policy.definition)}
        for policy in WHOLE.policies
    }
    assert differences(WHOLE, replace(GOOD, policies=policies)) == []
    edited = {**policies["signup"]["definition"], "delivery-limit": 5}  # type: ignore[dict-item]
    changed = {**policies, "signup": {**policies["signup"], "definition": edited}}
    assert differences(WHOLE, replace(GOOD, policies=changed)) == ["policy signup: delivery-limit must be 1000, is 5"]
    over = {"pattern": "^in|^signup$", "apply-to": "all", "priority": 9, "definition": edited}
    found = differences(WHOLE, replace(GOOD, policies={**policies, "over": over}))
    assert found == ["policy signup: delivery-limit must be 1000, is 5"]
    without = {name: policy for name, policy in policies.items() if name != "events-unrouted"}
    assert differences(WHOLE, replace(GOOD, policies=without)) == ["policy events-unrouted: missing"]


def test_a_missing_policy_is_named() -> None:
    assert differences(WHOLE, with_queue("signup", policy=None)) == ["policy signup: missing"]


def test_a_missing_binding_is_named() -> None:
    without = GOOD.bindings - {("events", "signup", "user.signed_up", False)}
    found = differences(WHOLE, replace(GOOD, bindings=without))
    assert found == ["binding events -> signup (user.signed_up): missing"]


def test_a_delay_levels_argument_is_named() -> None:
    changed = {**GOOD.queues["celery_delayed_0"].arguments, "x-message-ttl": 5}
    found = differences(WHOLE, with_queue("celery_delayed_0", arguments=changed))
    assert found == ["queue celery_delayed_0: argument x-message-ttl must be 1000, is 5"]


def test_a_missing_queue_is_named_once() -> None:
    queues = {name: queue for name, queue in GOOD.queues.items() if name != "signup"}
    assert differences(WHOLE, replace(GOOD, queues=queues)) == ["queue signup: missing"]


def test_exchanges_are_compared_by_kind_and_by_policy() -> None:
    other = {**GOOD.exchanges, "in": ExchangeState(kind="direct"), "events": ExchangeState(kind="topic")}
    assert differences(WHOLE, replace(GOOD, exchanges=other)) == [
        "exchange in: must be topic, is direct",
        "policy events-unrouted: must be in effect on exchange events, is none",
    ]


def test_a_user_with_more_rights_is_named() -> None:
    users = dict(GOOD.users or {})
    name = f"{VHOST}.service.web"
    users[name] = replace(users[name], read=".*", tags=("administrator",))
    assert differences(WHOLE, replace(GOOD, users=users)) == [
        f"user {name}: read must be ^$, is .*",
        f"user {name}: tags must be [], are ['administrator']",
    ]


def test_users_are_left_out_where_they_cannot_be_seen() -> None:
    assert differences(WHOLE, replace(GOOD, users=None)) == []


def test_a_group_looks_at_its_own_part_only() -> None:
    own = group_topology(CATALOG, CATALOG.group("signup"), VHOST)
    assert differences(own, with_queue("analytics", kind="classic")) == []
    assert differences(own, with_queue("signup", kind="classic")) == ["queue signup: must be quorum, is classic"]


def test_what_is_beyond_the_catalog_is_named_but_celerys_own_is_not() -> None:
    bindings = GOOD.bindings | {
        ("events", "signup", "account.created", False),
        ("celery.pidbox", "signup.0a@host.celery.pidbox", "", False),
    }
    queues = {**GOOD.queues, "old": QueueState(kind="quorum"), "celeryev.1": QueueState(kind="classic", temporary=True)}
    assert extras(WHOLE, replace(GOOD, bindings=bindings, queues=queues)) == [
        "queue old: not in the catalog",
        "binding events -> signup (account.created): not in the catalog",
    ]


def test_a_policy_may_take_a_moment_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology_check, "_POLL_SECONDS", 0.0)
    states = iter([with_queue("signup", policy=None), GOOD])
    assert settled(WHOLE, lambda: next(states)) == ([], GOOD)


def test_what_does_not_settle_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology_check, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(topology_check, "_POLL_SECONDS", 0.0)
    found, _ = settled(WHOLE, lambda: with_queue("signup", policy=None))
    assert found == ["policy signup: missing"]
