"""What KEDA and the HPA are told of a group: the formula of millrace.scaling, in their words."""

import math
from collections.abc import Mapping
from typing import Any

from millrace import names as at_broker
from millrace.declarations import WorkerGroup
from millrace.derived import polling, timing
from millrace.scaling import STEP_DOWN, STEP_DOWN_SHARE, STEP_SECONDS, STEP_UP, scale_of

from infra.kubernetes import names

#: The HPA looks back no further.
LONGEST_WINDOW_SECONDS = 3600
#: So often KEDA asks in vain before it takes the fallback.
FAILURES = 3


def scaled_object_spec(group: WorkerGroup, vhost: str, concurrency: int) -> Mapping[str, Any]:
    """The spec of the group's ScaledObject; times in whole seconds, and never less than derived."""
    smallest, largest = group.replicas
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": names.worker(group.name)},
        "minReplicaCount": smallest,
        "maxReplicaCount": largest,
        "pollingInterval": math.ceil(polling(group)),
        "cooldownPeriod": math.ceil(timing(group).cool_down),
        # A broker that cannot be asked is no reason to end what works, nor to leave a sleeping group asleep.
        "fallback": {
            "failureThreshold": FAILURES,
            "replicas": max(1, smallest),
            "behavior": "currentReplicasIfHigher",
        },
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": hpa_behavior(group)}},
        "triggers": triggers(group, vhost, concurrency),
    }


def triggers(group: WorkerGroup, vhost: str, concurrency: int) -> list[Mapping[str, Any]]:
    """By what a worker has in hand and, where arrivals matter, by what it ends per second: the larger answer counts."""
    scale = scale_of(group, concurrency)
    found = [_trigger(group, vhost, "QueueLength", str(scale.slots))]
    if scale.rate:
        found.append(_trigger(group, vhost, "MessageRate", f"{scale.rate:.3f}"))
    return found


def _trigger(group: WorkerGroup, vhost: str, mode: str, value: str) -> Mapping[str, Any]:
    return {
        "type": "rabbitmq",
        "metricType": "AverageValue",
        "metadata": {
            "protocol": "http",  # by AMQP, only what is ready would count
            "excludeUnacknowledged": "false",
            "queueName": at_broker.group_queue(group.name),
            "vhostName": vhost,
            "mode": mode,
            "value": value,
            "activationValue": "0",
        },
        "authenticationRef": {"name": names.MONITOR},
    }


def hpa_behavior(group: WorkerGroup) -> Mapping[str, Any]:
    """The damping of millrace.scaling: steps bounded both ways, and fewer only after the cool-down."""
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": _policies(STEP_UP, 1.0)},
        "scaleDown": {
            "stabilizationWindowSeconds": min(LONGEST_WINDOW_SECONDS, math.ceil(timing(group).cool_down)),
            "selectPolicy": "Max",
            "policies": _policies(STEP_DOWN, STEP_DOWN_SHARE),
        },
    }


def _policies(pods: int, share: float) -> list[Mapping[str, Any]]:
    period = round(STEP_SECONDS)
    return [
        {"type": "Pods", "value": pods, "periodSeconds": period},
        {"type": "Percent", "value": round(share * 100), "periodSeconds": period},
    ]
