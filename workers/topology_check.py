"""Whether a broker has what the catalog says: pure comparison of a Topology with a BrokerState."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from millrace import names
from millrace.broker_parts import Binding, Policy, Queue, Topology, User

from workers.broker_state import BrokerState, BrokerUnreadable, QueueState, broker_state

__all__ = ["BrokerState", "BrokerUnreadable", "broker_state", "differences", "extras", "settled"]

#: A quorum queue tells the broker its policy every five seconds, and the management API a moment later (3.10).
SETTLE_SECONDS = 15.0
_POLL_SECONDS = 0.5
#: What `apply-to` may be for a policy to reach a quorum queue or a stream.
_QUEUE_POLICIES = ("queues", "all", "quorum_queues", "streams")
#: Where Celery binds control and event queues of its own as it runs.
_CELERY_EXCHANGES = frozenset({names.PIDBOX, names.PIDBOX_REPLY, names.CELERY_EVENTS})


def settled(topology: Topology, read: Callable[[], BrokerState]) -> tuple[list[str], BrokerState]:
    """The differences that are still there after the broker's few seconds to settle, and what was read last."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        state = read()
        found = differences(topology, state)
        may_settle = state.policies is None and any(line.startswith("policy ") for line in found)
        if not may_settle or time.monotonic() > deadline:
            return found, state
        time.sleep(_POLL_SECONDS)


def differences(topology: Topology, state: BrokerState) -> list[str]:
    """What the topology asks for and the broker lacks or has otherwise, one line each; more than asked is no matter."""
    found = [*_exchanges(topology, state), *_queues(topology, state)]
    found += [line for policy in topology.policies for line in _policy(policy, state)]
    found += [line for binding in topology.bindings for line in _missing(binding, state)]
    if state.users is not None:
        found += [line for user in topology.users for line in _user(user, state.users)]
    return found


def extras(topology: Topology, state: BrokerState) -> list[str]:
    """What the broker has beyond the whole stack's topology: queues, bindings of its exchanges, users."""
    wanted = {_key(binding) for binding in topology.bindings}
    own = {exchange.name for exchange in topology.exchanges} - _CELERY_EXCHANGES
    declared = {queue.name for queue in topology.queues}
    permanent = sorted(name for name, queue in state.queues.items() if not queue.temporary and name not in declared)
    found = [f"queue {name}: not in the catalog" for name in permanent]
    for key in sorted(state.bindings - wanted):
        if key[0] in own:
            catches = "; it takes what no group takes, so nothing is parked" if _catches_all(key[0], key[2]) else ""
            found.append(f"binding {key[0]} -> {key[1]} ({key[2]}): not in the catalog{catches}")
    return found


def _catches_all(exchange: str, key: str) -> bool:
    """Whether a binding of `events` has a wildcard: no event that it takes comes to the alternate exchange."""
    return exchange == names.EVENTS and not {"*", "#"}.isdisjoint(key.split("."))


def _exchanges(topology: Topology, state: BrokerState) -> Iterator[str]:
    for wanted in topology.exchanges:
        have = state.exchanges.get(wanted.name)
        if have is None:
            yield f"exchange {wanted.name}: missing"
        elif have.kind != wanted.kind:
            yield f"exchange {wanted.name}: must be {wanted.kind}, is {have.kind}"
        elif not have.durable:
            yield f"exchange {wanted.name}: must be durable, is not"


def _queues(topology: Topology, state: BrokerState) -> Iterator[str]:
    for wanted in topology.queues:
        have = state.queues.get(wanted.name)
        if have is None:
            yield f"queue {wanted.name}: missing"
        elif have.kind != wanted.kind:
            yield f"queue {wanted.name}: must be {wanted.kind}, is {have.kind}"
        else:
            yield from _values(f"queue {wanted.name}: argument ", _arguments(wanted), have.arguments)


def _arguments(queue: Queue) -> dict[str, Any]:
    return {name: value for name, value in queue.arguments.items() if name != "x-queue-type"}


def _policy(wanted: Policy, state: BrokerState) -> Iterator[str]:
    """An administrator sees the policies themselves, at once; others what queues tell, and of exchanges a name."""
    on_exchange = wanted.apply_to == "exchanges"
    target = (state.exchanges if on_exchange else state.queues).get(wanted.target)
    if target is None:
        return
    if state.policies is not None:
        yield from _definition(wanted, _in_effect(wanted, state.policies.values()))
    elif isinstance(target, QueueState):
        yield from _definition(wanted, target.policy)
    elif target.policy_name != wanted.name:
        have = target.policy_name or "none"
        yield f"policy {wanted.name}: must be in effect on exchange {wanted.target}, is {have}"


def _in_effect(wanted: Policy, policies: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What the broker applies to a policy's target: of all that match, the one of the highest priority."""
    kinds = ("exchanges", "all") if wanted.apply_to == "exchanges" else _QUEUE_POLICIES
    matching = [p for p in policies if p["apply-to"] in kinds and re.search(p["pattern"], wanted.target)]
    found = max(matching, key=lambda policy: policy.get("priority", 0), default=None)
    return None if found is None else found["definition"]


def _definition(wanted: Policy, have: Mapping[str, Any] | None) -> Iterator[str]:
    if have is None:
        yield f"policy {wanted.name}: missing"
    else:
        yield from _values(f"policy {wanted.name}: ", wanted.definition, have)


def _values(prefix: str, wanted: Mapping[str, Any], have: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*wanted, *have}):
        if name not in have:
            yield f"{prefix}{name} must be {wanted[name]}, is missing"
        elif name not in wanted:
            yield f"{prefix}{name} must not be set, is {have[name]}"
        elif wanted[name] != have[name]:
            yield f"{prefix}{name} must be {wanted[name]}, is {have[name]}"


def _key(binding: Binding) -> tuple[str, str, str, bool]:
    return binding.source, binding.destination, binding.key, binding.to_exchange


def _missing(binding: Binding, state: BrokerState) -> Iterator[str]:
    if _key(binding) not in state.bindings:
        yield f"binding {binding.source} -> {binding.destination} ({binding.key}): missing"


def _user(wanted: User, users: Mapping[str, User]) -> Iterator[str]:
    have = users.get(wanted.name)
    if have is None:
        yield f"user {wanted.name}: missing, or without a permission on this vhost"
        return
    for what in ("configure", "write", "read"):
        if getattr(have, what) != getattr(wanted, what):
            yield f"user {wanted.name}: {what} must be {getattr(wanted, what)}, is {getattr(have, what)}"
    if sorted(have.tags) != sorted(wanted.tags):
        yield f"user {wanted.name}: tags must be {sorted(wanted.tags)}, are {sorted(have.tags)}"
    topics = {topic.exchange: topic.write for topic in wanted.topics}
    granted = {topic.exchange: topic.write for topic in have.topics}
    yield from _values(f"user {wanted.name}: topic write on ", topics, granted)
