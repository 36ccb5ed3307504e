"""No queue or subscription at AWS without dead letters; a queue of dead letters needs none."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.guardrails.rule import UNKNOWN, Declared, Finding, Limits, Rule, Unknown, known_as

QUEUE = "aws:sqs/queue:Queue"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"


def _check(resources: Sequence[Declared], _limits: Limits) -> Iterator[Finding]:
    givers = [one for one in resources if one.type in {QUEUE, SUBSCRIPTION}]
    queues = {known_as(one) for one in givers if one.type == QUEUE}
    # Queues of dead letters; one that names itself is none.
    dead = {target for one in givers if (target := _target(one)) != known_as(one)}
    for one in givers:
        needs_some = one.type == SUBSCRIPTION or known_as(one) not in dead
        if needs_some and (problem := _problem(one, queues)):
            yield one, problem


def _problem(giver: Declared, queues: set[str]) -> str | None:
    target = _target(giver)
    if target is UNKNOWN:
        return None
    if not target:
        return "redrivePolicy must have a deadLetterTargetArn, of a queue of this stack"
    if target not in queues or target == known_as(giver):
        return f"its dead letters go to {target!r}, which is no other queue of this stack; declare that"
    if giver.type == QUEUE and not _redrive(giver).get("maxReceiveCount"):
        return "redrivePolicy must have a maxReceiveCount: without it nothing becomes a dead letter"
    return None


def _target(resource: Declared) -> str:
    if isinstance(resource.inputs.get("redrivePolicy"), Unknown):
        return UNKNOWN
    return str(_redrive(resource).get("deadLetterTargetArn", "")).rpartition(":")[2]


def _redrive(resource: Declared) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(resource.inputs.get("redrivePolicy") or "{}")
    return found


SQS_DEAD_LETTERS = Rule(
    name="sqs-dead-letters",
    description="What SQS and SNS cannot deliver is kept in a queue of dead letters.",
    check=_check,
)
