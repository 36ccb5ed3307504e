"""Replicas within a quota: all maxima together, so that a burst of events cannot fill the cluster.

A namespace's quota is the pods of its ResourceQuota, beyond which it would hold them back; the policy pack's
configuration may bound the whole stack besides, or instead.
"""

from collections.abc import Iterator, Sequence

from infra.guardrails.pods import kind, number, part, place
from infra.guardrails.rule import Declared, Finding, Limits, Rule

#: Which field of these says how many there may be.
COUNTS = {
    "Deployment": "replicas",
    "RabbitmqCluster": "replicas",
    "ScaledJob": "maxReplicaCount",
    "ScaledObject": "maxReplicaCount",
    "StatefulSet": "replicas",
}


def _check(resources: Sequence[Declared], limits: Limits) -> Iterator[Finding]:
    counted = [one for one in resources if kind(one) in COUNTS]
    if limits.max_replicas is not None:
        yield from _within(limits.max_replicas, counted, "maxReplicas in the policy pack's configuration")
    quotas = _quotas(resources)
    for namespace in sorted({place(one)[0] for one in counted}):
        inside = [one for one in counted if place(one)[0] == namespace]
        if namespace in quotas:
            yield from _within(quotas[namespace], inside, f"pods of the ResourceQuota of {namespace!r}")
        elif limits.max_replicas is None:
            yield inside[0], f"namespace {namespace!r} has no quota: give it a ResourceQuota with spec.hard.pods"


def _quotas(resources: Sequence[Declared]) -> dict[str, int]:
    """How many pods a namespace may have, where it is said."""
    hard = {place(one)[0]: part(one.inputs, "spec", "hard") for one in resources if kind(one) == "ResourceQuota"}
    return {namespace: int(limit["pods"]) for namespace, limit in hard.items() if str(limit.get("pods")).isdecimal()}


def _within(quota: int, counted: Sequence[Declared], which: str) -> Iterator[Finding]:
    counts = [(one, _most(one)) for one in counted]
    total = sum(count for _, count in counts)
    if total > quota:
        largest, count = max(counts, key=lambda found: found[1])
        yield (
            largest,
            f"all replicas together may be {total}, {count} of them here, the quota is {quota}: make groups' maxima "
            f"(WorkerGroup.replicas) smaller, or raise {which}",
        )


def _most(resource: Declared) -> int:
    return number(part(resource.inputs, "spec"), COUNTS[kind(resource)]) or 0


QUOTA = Rule(
    name="replicas-within-quota",
    description="All replicas that there may be at once are within a quota.",
    check=_check,
    settings={"max_replicas": {"type": "integer", "minimum": 1}},
)
