"""What runs in a pod, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from millrace.derived import RELAY_STUCK_SECONDS
from pulumi_kubernetes.networking.v1 import NetworkPolicyEgressRuleArgs

#: Where a process answers probes and shows its metrics.
PROBE_PORT = 9464
#: MiB and thousandths of a processor, for what has no group.
SERVICE_MEMORY, SERVICE_CPU = 256, 100


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process image: its command, what it is told, what it may use (MiB, thousandths of a CPU) and reach.

    `secrets` and `environment` are its variables; `grace` is in seconds; without `replicas`, something else counts
    them; one that is `alone` is ended before the next one starts; `role` is an IAM role's ARN, if it talks to AWS.
    """

    name: str
    command: Sequence[str]
    secrets: Mapping[str, pulumi.Output[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    egress: Sequence[NetworkPolicyEgressRuleArgs]
    #: what must be there before it starts
    after: Sequence[pulumi.Resource] = ()
    memory: int = SERVICE_MEMORY
    cpu: int = SERVICE_CPU
    grace: float = RELAY_STUCK_SECONDS
    replicas: int | None = 1
    alone: bool = False
    #: None for one that ends by itself and is asked nothing
    port: int | None = PROBE_PORT
    #: whether it answers at /live and /ready; if not, that it listens must do
    answers: bool = True
    role: str | None = None
