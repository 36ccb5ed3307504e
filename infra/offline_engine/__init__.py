"""Applies the Pulumi program where there is no pulumi CLI: in process, through Pulumi's mock interface.

It knows only the resource types that the program uses and refuses others by name. Queues that hold messages are
not deleted unless told to, and what can never be changed is reported, not replaced.
"""

from infra.offline_engine.aws.target import AwsTarget
from infra.offline_engine.changes import Changes
from infra.offline_engine.engine import Outputs, destroy, outputs, preview, up
from infra.offline_engine.errors import (
    AgainstTheRules,
    AwsProblem,
    BrokerProblem,
    Busy,
    EngineError,
    ForeignStack,
    KubernetesProblem,
    NotAllApplied,
    NotApplied,
    QueueHoldsMessages,
    ServerProblem,
    UnknownResource,
)
from infra.offline_engine.kubernetes.target import KubernetesTarget

__all__ = [
    "AgainstTheRules",
    "AwsProblem",
    "AwsTarget",
    "BrokerProblem",
    "Busy",
    "Changes",
    "EngineError",
    "ForeignStack",
    "KubernetesProblem",
    "KubernetesTarget",
    "NotAllApplied",
    "NotApplied",
    "Outputs",
    "QueueHoldsMessages",
    "ServerProblem",
    "UnknownResource",
    "destroy",
    "outputs",
    "preview",
    "up",
]
