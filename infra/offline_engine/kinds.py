"""Every resource type that the engine applies; others are refused by name."""

from collections.abc import Iterable, Mapping

from infra.offline_engine.access import PermissionsKind, TopicPermissionsKind, UserKind, VHostKind
from infra.offline_engine.aws.kinds import AWS_KINDS
from infra.offline_engine.errors import UnknownResource
from infra.offline_engine.kind import Kind
from infra.offline_engine.kubernetes import manifests
from infra.offline_engine.objects import BindingKind, ExchangeKind, PolicyKind, QueueKind
from infra.offline_engine.recording import RANDOM_PASSWORD
from infra.offline_engine.resources import Inputs, Resource

VHOST = "rabbitmq:index/vHost:VHost"
QUEUE = "rabbitmq:index/queue:Queue"
USER = "rabbitmq:index/user:User"
POLICY = "rabbitmq:index/policy:Policy"
KINDS: Mapping[str, Kind] = {
    VHOST: VHostKind(),
    QUEUE: QueueKind(),
    USER: UserKind(),
    POLICY: PolicyKind(),
    "rabbitmq:index/exchange:Exchange": ExchangeKind(),
    "rabbitmq:index/binding:Binding": BindingKind(),
    "rabbitmq:index/permissions:Permissions": PermissionsKind(),
    "rabbitmq:index/topicPermissions:TopicPermissions": TopicPermissionsKind(),
}
#: Inputs of a random password that the engine heeds; `result` is its output.
PASSWORD_INPUTS = frozenset({"length", "special", "result"})


def identity(resource: Resource) -> tuple[str, ...]:
    """What the resource is at its server, whatever the program calls it."""
    if resource.type == RANDOM_PASSWORD:
        return resource.type, resource.name
    if manifests.is_kubernetes(resource):
        return manifests.KUBERNETES, *manifests.key(resource.inputs)
    kind = KINDS.get(resource.type) or AWS_KINDS[resource.type]
    return resource.type, *kind.key(resource.inputs)


def word(resource: Resource) -> str:
    """What people call its kind."""
    if manifests.is_kubernetes(resource):
        return str(resource.inputs["kind"])
    kind = KINDS.get(resource.type) or AWS_KINDS.get(resource.type)
    return kind.word if kind else "password of"


def label(resource: Resource) -> str:
    """What people call it."""
    if manifests.is_kubernetes(resource):
        return manifests.label(resource.inputs)
    return f"{word(resource)} {resource.name}"


def require_known(resources: Iterable[Resource]) -> None:
    """Raise UnknownResource, naming each type and each input that the engine would not apply."""
    problems = sorted({problem for resource in resources for problem in _problems(resource)})
    if problems:
        listed = ", ".join(problems)
        raise UnknownResource(f"the offline engine does not know {listed}; use the pulumi CLI for this program")


def _problems(resource: Resource) -> Iterable[str]:
    if manifests.is_kubernetes(resource):
        yield from manifests.problems(resource)
        return
    if resource.type == RANDOM_PASSWORD:
        known = PASSWORD_INPUTS
        if resource.inputs.get("special") is not False:
            yield f"{resource.type} with special characters ({resource.name})"
    elif kind := KINDS.get(resource.type) or AWS_KINDS.get(resource.type):
        known = kind.accepts
    else:
        yield resource.type
        return
    for unknown in _names(resource.inputs) - known:
        yield f"input {unknown!r} of {resource.type}"


def _names(inputs: Inputs) -> set[str]:
    """The inputs' names, those of a nested record with a dot; unset ones do not count."""
    return {name for key, value in inputs.items() if value is not None for name in _nested(key, value)}


def _nested(key: str, value: object) -> list[str]:
    return [f"{key}.{inner}" for inner in value] if isinstance(value, Mapping) else [key]
