"""No group without a maximum: what scales by itself has a bound, and what does not has a number."""

from collections.abc import Iterator, Sequence

from infra.guardrails.pods import Values, containers, kind, number, part, place, template
from infra.guardrails.rule import Declared, Finding, Limits, Rule, known_as

FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
#: The module of a group's workers; the group's name comes after it.
WORKERS = "workers"


def _check(resources: Sequence[Declared], _limits: Limits) -> Iterator[Finding]:
    scalers = _scalers(resources)
    for resource in resources:
        if kind(resource) == "Deployment":
            yield from ((resource, message) for message in _deployment(resource, scalers.get(place(resource), [])))
        elif group := worker_group(resource):
            yield resource, f"group {group!r} must run as a Deployment, which a ScaledObject scales"
    for scaler in (one for found in scalers.values() for one in found):
        most = number(part(scaler.inputs, "spec"), "maxReplicaCount")
        if most is None or most < 1:
            yield scaler, f"spec.maxReplicaCount must be given (KEDA's own is 100), at least 1, got {most}"
    yield from _functions(resources)


def _deployment(resource: Declared, scalers: Sequence[Declared]) -> Iterator[str]:
    fixed = part(resource.inputs, "spec").get("replicas")
    if len(scalers) > 1:
        yield f"{len(scalers)} ScaledObjects scale it, against each other; leave one"
    if scalers and fixed is not None:
        yield "spec.replicas must be left out where a ScaledObject scales: each `up` would undo what KEDA did"
    if not scalers and (group := worker_group(resource)):
        yield f"group {group!r} must have a ScaledObject with this Deployment as its scaleTargetRef"
    elif not scalers and fixed is None:
        yield "spec.replicas must be given, or a ScaledObject with this Deployment as its scaleTargetRef"


def worker_group(resource: Declared) -> str | None:
    """The group whose workers a resource runs, through a shell or not; None if it runs anything else."""
    for container in containers(part(template(resource) or {}, "spec")):
        parts = [*(container.get("command") or ()), *(container.get("args") or ())]
        words = ["-m", *(word for one in parts for word in str(one).split())]
        for option, module, group in zip(words, words[1:], words[2:], strict=False):
            if (option, module) == ("-m", WORKERS):
                return group
    return None


def _scalers(resources: Sequence[Declared]) -> dict[tuple[str, str], list[Declared]]:
    """The ScaledObjects of each Deployment, by its namespace and name."""
    found: dict[tuple[str, str], list[Declared]] = {}
    for one in (one for one in resources if kind(one) == "ScaledObject"):
        target = part(one.inputs, "spec", "scaleTargetRef")
        if target.get("kind", "Deployment") == "Deployment":
            found.setdefault((place(one)[0], str(target.get("name"))), []).append(one)
    return found


def _functions(resources: Sequence[Declared]) -> Iterator[Finding]:
    """A function is bound itself, or by all that calls it from a queue."""
    mappings: dict[str, list[Values]] = {}
    for one in (one for one in resources if one.type == MAPPING):
        mappings.setdefault(str(one.inputs.get("functionName")), []).append(one.inputs)
    for function in (one for one in resources if one.type == FUNCTION):
        callers = mappings.get(known_as(function), [])
        bound = bool(callers) and all(part(one, "scalingConfig").get("maximumConcurrency") for one in callers)
        reserved = number(function.inputs, "reservedConcurrentExecutions")
        if not bound and (reserved is None or reserved < 0):  # -1 is AWS's word for none
            yield (
                function,
                "give reservedConcurrentExecutions, or scalingConfig.maximumConcurrency of its event source mapping",
            )


MAXIMUM = Rule(
    name="group-has-maximum",
    description="What scales by itself has a maximum, and everything else a fixed number.",
    check=_check,
)
