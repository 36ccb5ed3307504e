"""Where Kubernetes resources have their pods, and what is read of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.guardrails.rule import Declared

KUBERNETES = "kubernetes:"
TEMPLATE = ("spec", "template")
#: Where each kind has what its pods are made from.
TEMPLATES = {
    "CronJob": ("spec", "jobTemplate", *TEMPLATE),
    "DaemonSet": TEMPLATE,
    "Deployment": TEMPLATE,
    "Job": TEMPLATE,
    "Pod": (),
    "ReplicaSet": TEMPLATE,
    "ReplicationController": TEMPLATE,
    "ScaledJob": ("spec", "jobTargetRef", "template"),
    "StatefulSet": TEMPLATE,
}
#: What is laid over pods that an operator makes: it is judged by what it says, not by what it leaves out.
OVERLAYS = {"RabbitmqCluster": ("spec", "override", "statefulSet", *TEMPLATE)}
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")

Values = Mapping[str, Any]


def kind(resource: Declared) -> str:
    """The Kubernetes kind, of a patch that of what it patches; empty for what is not of Kubernetes."""
    return resource.type.rpartition(":")[2].removesuffix("Patch") if resource.type.startswith(KUBERNETES) else ""


def part(values: Values, *path: str) -> Values:
    """What lies at the path, if all of it is there and is a record; else nothing."""
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def items(values: Values, key: str) -> list[Values]:
    """The records of a list, or none."""
    found = values.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def number(values: Values, key: str) -> int | None:
    """A whole number, which Pulumi may have made a floating one on the way; None if it is none."""
    found = values.get(key)
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def template(resource: Declared) -> Values | None:
    """What the resource's pods are made from: `metadata` and `spec`; None if it makes none."""
    path = TEMPLATES.get(kind(resource))
    return None if path is None else part(resource.inputs, *path)


def overlay(resource: Declared) -> Values:
    """What the resource lays over the pods that an operator makes; nothing, if it lays nothing."""
    return part(resource.inputs, *OVERLAYS.get(kind(resource), ("", "")))


def containers(spec: Values) -> Iterator[Values]:
    """All of a pod's containers, those that begin first too."""
    for key in CONTAINERS:
        yield from items(spec, key)


def place(resource: Declared) -> tuple[str, str]:
    """Namespace and name, as Kubernetes knows them."""
    metadata = part(resource.inputs, "metadata")
    return str(metadata.get("namespace") or "default"), str(metadata.get("name") or resource.name)
