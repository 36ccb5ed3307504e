"""Nothing public on Kubernetes: who is to be reached from outside is asked for."""

from collections.abc import Iterator, Sequence

from infra.guardrails.pods import containers, items, kind, number, overlay, part, place, template
from infra.guardrails.rule import Declared, Finding, Limits, Rule

OPEN_SERVICES = frozenset({"LoadBalancer", "NodePort"})
DOORS = frozenset({"Ingress", "Gateway", "GRPCRoute", "HTTPRoute", "TCPRoute", "TLSRoute", "UDPRoute"})
#: Which field of these says how they are reached.
SERVICES = {
    "RabbitmqCluster": (("spec", "service"), ("spec", "override", "service", "spec")),
    "Service": (("spec",),),
}


def _check(resources: Sequence[Declared], limits: Limits) -> Iterator[Finding]:
    for resource in resources:
        for message in (*_service(resource), *_door(resource, limits), *_pod(resource)):
            yield resource, message


def _service(resource: Declared) -> Iterator[str]:
    for path in SERVICES.get(kind(resource), ()):
        spec = part(resource.inputs, *path)
        if spec.get("type") in OPEN_SERVICES:
            yield f"{'.'.join(path)}.type is {spec['type']}; make it ClusterIP, which only the cluster reaches"
        if spec.get("externalIPs"):
            yield f"{'.'.join(path)}.externalIPs opens it to the outside; leave it out"


def _door(resource: Declared, limits: Limits) -> Iterator[str]:
    if kind(resource) in DOORS and not limits.allow_ingress:
        yield (
            f"{kind(resource)} {'/'.join(place(resource))} opens the stack to the outside; leave it out, or ask for it "
            "by allowIngress in the policy pack's configuration"
        )


def _pod(resource: Declared) -> Iterator[str]:
    spec = part(template(resource) or overlay(resource), "spec")
    if spec.get("hostNetwork"):
        yield "hostNetwork puts the pod on its node's own network; leave it out"
    for container in containers(spec):
        for port in items(container, "ports"):
            if taken := number(port, "hostPort"):
                yield f"container {container.get('name')!r} takes hostPort {taken} of its node; leave it out"


PUBLIC = Rule(
    name="nothing-public",
    description="Nothing is reached from outside the cluster unless it is asked for.",
    check=_check,
    alone=True,
    settings={"allow_ingress": {"type": "boolean", "default": Limits().allow_ingress}},
)
