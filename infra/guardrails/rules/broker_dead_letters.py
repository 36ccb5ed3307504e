"""No queue at RabbitMQ without dead letters, that arrive.

Explained exceptions: a stream keeps its messages by age; a transit queue (dead, parked and rejected letters, what goes
out to AWS) never gives up on a message, and its policy says so; nothing comes back to it to be tried again.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace import names
from millrace.topology import TRANSIT_DELIVERY_LIMIT

from infra.guardrails.pods import Values, part
from infra.guardrails.rule import Declared, Finding, Limits, Rule, known_as

EXCHANGE = "rabbitmq:index/exchange:Exchange"
BINDING = "rabbitmq:index/binding:Binding"
QUEUE = "rabbitmq:index/queue:Queue"
POLICY = "rabbitmq:index/policy:Policy"
OF_QUEUES = frozenset({"all", "queues", "classic_queues", "quorum_queues"})
#: By which a queue drops messages though nothing failed.
DROPS = frozenset({"expires", "max-length", "max-length-bytes", "message-ttl"})


@dataclass(kw_only=True)
class _Host:
    """What a vhost has that queues depend on; policies with their patterns compiled."""

    exchanges: set[str] = field(default_factory=set)
    routes: set[tuple[str, str]] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    retried: set[str] = field(default_factory=set)
    policies: list[tuple[re.Pattern[str], Values]] = field(default_factory=list)

    def settings(self, queue: Declared) -> Values:
        """What holds for a queue: its policy's definition, and its own arguments, which come first."""
        fitting = [policy for pattern, policy in self.policies if pattern.search(known_as(queue))]
        strongest: Values = max(fitting, key=lambda one: int(one.get("priority") or 0), default={})
        own = {key.removeprefix("x-"): value for key, value in _arguments(queue).items()}
        return {**part(strongest, "definition"), **own}


def _check(resources: Sequence[Declared], _limits: Limits) -> Iterator[Finding]:
    hosts = _hosts(resources)
    for queue in (one for one in resources if one.type == QUEUE):
        if problem := _problem(queue, hosts[queue.inputs.get("vhost")]):
            yield queue, problem


def _hosts(resources: Sequence[Declared]) -> dict[Any, _Host]:
    hosts: defaultdict[Any, _Host] = defaultdict(_Host)
    for one in resources:
        inputs, host = one.inputs, hosts[one.inputs.get("vhost")]
        if one.type == EXCHANGE:
            host.exchanges.add(known_as(one))
        elif one.type == BINDING:
            host.routes.add((str(inputs.get("source")), str(inputs.get("routingKey"))))
            host.bound.add(str(inputs.get("source")))
            if inputs.get("source") == names.DELAY_EXIT:
                host.retried.add(str(inputs.get("destination")))
        elif one.type == POLICY and (policy := part(inputs, "policy")).get("applyTo") in OF_QUEUES:
            host.policies.append((re.compile(str(policy.get("pattern"))), policy))
    return hosts


def _problem(queue: Declared, host: _Host) -> str | None:
    settings = host.settings(queue)
    if settings.get("queue-type") == "stream":
        return None
    if settings.get("dead-letter-exchange") is None:
        return None if _is_transit(settings) and known_as(queue) not in host.retried else _no_dead_letters(queue)
    return _lost(settings, host)


def _lost(settings: Values, host: _Host) -> str | None:
    """How a queue loses what it has an exchange of dead letters for."""
    exchange, key = settings.get("dead-letter-exchange"), settings.get("dead-letter-routing-key")
    if exchange not in host.exchanges:
        return f"its dead letters go to exchange {exchange!r}, which the stack does not have; declare that"
    if key and (exchange, key) not in host.routes:
        return f"its dead letters are dropped: bind a queue to exchange {exchange!r} by routing key {key!r}"
    if exchange not in host.bound:
        return f"its dead letters are dropped: no queue is bound to exchange {exchange!r}; bind one"
    if "expires" in settings:
        return "its x-expires deletes it with all it holds, and that is not dead-lettered; leave it out"
    return None


def _no_dead_letters(queue: Declared) -> str:
    return (
        f"queue {known_as(queue)!r} has no dead letters: give it a policy with dead-letter-exchange, or, if nothing is "
        f"handled there, with delivery-limit {TRANSIT_DELIVERY_LIMIT}"
    )


def _is_transit(settings: Values) -> bool:
    """Whether the queue never gives up on a message."""
    return int(settings.get("delivery-limit") or 0) >= TRANSIT_DELIVERY_LIMIT and not DROPS & settings.keys()


def _arguments(queue: Declared) -> Values:
    settings = part(queue.inputs, "settings")
    return {**part(settings, "arguments"), **json.loads(settings.get("argumentsJson") or "{}")}


BROKER_DEAD_LETTERS = Rule(
    name="broker-dead-letters",
    description="Every queue at RabbitMQ dead-letters what fails, to where it arrives.",
    check=_check,
)
