"""What Millrace's objects are called on Kubernetes."""

from collections.abc import Sequence

RELAY, KEEPER, FLOWER, MIGRATE = "relay", "keeper", "flower", "migrate"
#: What runs at the AWS door: each with its module, and as which user it talks to the broker.
AWS_DOOR = {
    "ingress": ("workers.ingress", "ingress"),
    "egress": ("workers.egress", "egress"),
    "dynamo-relay": ("workers.dynamo_relay", "relay"),
}
#: RabbitMQ of the stack's own, made by the cluster operator; its Service has this name too.
BROKER = "broker"
MONITOR = "monitor"
#: What tells a workload's pods, and what belongs to the stack.
NAME_LABEL = "app.kubernetes.io/name"
STACK_LABEL = "app.kubernetes.io/part-of"


def worker(group: str) -> str:
    """A group's Deployment, and all that goes with it."""
    return f"worker-{group}"


def migration(image: str) -> str:
    """The Job that migrates for an image, given by digest: another image is another Job."""
    return f"{MIGRATE}-{image.rpartition(':')[2][:16]}"


def module(name: str, *arguments: str) -> Sequence[str]:
    """The command that runs a module, as the process itself: signals reach it, for no shell is between."""
    return ["python", "-m", name, *arguments]
