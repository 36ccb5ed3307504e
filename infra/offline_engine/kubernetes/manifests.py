"""A resource as Kubernetes takes it, and what tells it apart there; pure."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from infra.offline_engine.live import Key
from infra.offline_engine.resources import Inputs, Resource

KUBERNETES = "kubernetes:"
Manifest = dict[str, Any]
#: What the server writes, or what changes with every write.
OF_THE_SERVER = frozenset({"managedFields", "resourceVersion", "generation"})


def is_kubernetes(resource: Resource) -> bool:
    """Whether it lies on Kubernetes."""
    return resource.type.startswith(KUBERNETES)


def problems(resource: Resource) -> Iterator[str]:
    """What the engine would not apply as it is meant."""
    inputs = resource.inputs
    if not inputs.get("apiVersion") or not inputs.get("kind"):
        yield resource.type  # a chart or the like, which is no single object
    elif not inputs.get("metadata", {}).get("name"):
        yield f"{resource.type} without metadata.name ({resource.name})"


def key(inputs: Inputs) -> Key:
    """Group, kind, namespace and name: another version of the group is the same object."""
    group = inputs["apiVersion"].rpartition("/")[0]
    return group, inputs["kind"], inputs["metadata"].get("namespace", ""), inputs["metadata"]["name"]


def label(inputs: Inputs) -> str:
    """What people call it."""
    _, kind, namespace, name = key(inputs)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def manifest(inputs: Inputs) -> Manifest:
    """The object: Pulumi has all numbers with a fraction, and Kubernetes no owner for what stands in `stringData`."""
    whole: Manifest = _plain(inputs)
    texts = whole.pop("stringData", None)
    if texts:
        whole["data"] = {**whole.get("data", {}), **{name: _encoded(text) for name, text in texts.items()}}
    return whole


def comparable(one: Manifest) -> Manifest:
    """What of an object is somebody's wish: not its state, nor what the server notes of it."""
    metadata = {name: value for name, value in one["metadata"].items() if name not in OF_THE_SERVER}
    return {name: value for name, value in one.items() if name != "status"} | {"metadata": metadata}


def pod_of(one: Manifest) -> Mapping[str, Any] | None:
    """The pod that it makes others of, None if it makes none."""
    found = one.get("spec", {}).get("template", {})
    pod = found.get("spec", {}) if isinstance(found, Mapping) else {}
    return pod if isinstance(pod, Mapping) and "containers" in pod else None


def is_managed_by(one: Manifest, manager: str) -> bool:
    """Whether this field manager has applied it."""
    return any(entry.get("manager") == manager for entry in one["metadata"].get("managedFields", ()))


def managers(one: Manifest) -> list[str]:
    """Who has written it."""
    return sorted({entry.get("manager", "unknown") for entry in one["metadata"].get("managedFields", ())})


def condition(one: Manifest, type_: str) -> Mapping[str, Any] | None:
    """A condition of its state, if it is true."""
    found = one.get("status", {}).get("conditions") or ()
    return next((entry for entry in found if entry["type"] == type_ and entry["status"] == "True"), None)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
