"""The rendered triggers, through the arithmetic that KEDA and Kubernetes document, ask for what the formula says.

The other side of the comparison is none of our code: exact fractions, after
- https://keda.sh/docs/latest/scalers/rabbitmq-queue/ : a trigger's metric is ready + unacknowledged, or the rate of
  publishing; `value` is what one replica is meant for; above `activationValue`, KEDA goes from none to one;
- https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details : AverageValue is
  ceil(metric / value); a ratio of metric to value x replicas within 0.1 of 1 changes nothing; of several, the largest.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from millrace import WorkerGroup, seconds
from millrace.events import UserSignedUp
from millrace.scaling import Load, scale_of, wanted

from infra.kubernetes.scaled_object import scaled_object_spec

CONCURRENCY = 2
POOL = WorkerGroup("pool", handles=[UserSignedUp], longest_runtime=seconds(10), replicas=(0, 30))
LONG = replace(POOL, name="long", longest_runtime=timedelta(minutes=30), replicas=(1, 12))
LANE = replace(POOL, name="lane", longest_runtime=seconds(0.1), usual_runtime=seconds(0.002), replicas=(0, 8))
GROUPS = (POOL, LONG, LANE)

READY = (0, 1, 7, 333)
UNACKNOWLEDGED = (0, 2, 23, 610)
RATES = (Fraction(0), Fraction(37, 10))
CURRENT = (0, 6)


def documented(spec: Mapping[str, Any], ready: int, unacknowledged: int, rate: Fraction, current: int) -> int:
    """How many replicas KEDA and the HPA give a Deployment with this ScaledObject, which has `current` now."""
    metrics = {"QueueLength": Fraction(ready + unacknowledged), "MessageRate": rate}
    triggers: Sequence[Mapping[str, str]] = [trigger["metadata"] for trigger in spec["triggers"]]
    values = [(metrics[one["mode"]], Fraction(one["value"]), Fraction(one["activationValue"])) for one in triggers]
    if not any(metric > activation for metric, _, activation in values):
        return int(spec["minReplicaCount"])
    proposed = [asked(metric, value, current) for metric, value, _ in values]
    return max(1, int(spec["minReplicaCount"]), min(max(proposed), int(spec["maxReplicaCount"])))


def asked(metric: Fraction, value: Fraction, current: int) -> int:
    """What the HPA makes of one metric."""
    if current and abs(1 - metric / (value * current)) <= Fraction(1, 10):
        return current
    return math.ceil(metric / value)


@pytest.mark.parametrize(
    ("metric", "value", "current", "expected"),
    [
        (200, 100, 1, 2),  # "if the current metric value is 200m, and the desired value is 100m, ... doubled"
        (50, 100, 2, 1),  # "if the current value is instead 50m, you'll halve the number of replicas"
        (109, 100, 1, 1),  # "any scaling ... skipped if the ratio is sufficiently close to 1.0 (... 0.1, by default)"
        (110, 100, 1, 1),
        (111, 100, 1, 2),
        (90, 100, 1, 1),
        (89, 100, 1, 1),
        (12, 5, 1, 3),
    ],
)
def test_the_documents_own_examples(metric: int, value: int, current: int, expected: int) -> None:
    assert asked(Fraction(metric), Fraction(value), current) == expected


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_the_formula_says_what_keda_and_the_hpa_would(group: WorkerGroup) -> None:
    """64 loads for each of three kinds of groups."""
    spec, scale = scaled_object_spec(group, "vhost", CONCURRENCY), scale_of(group, CONCURRENCY)
    cases = list(itertools.product(READY, UNACKNOWLEDGED, RATES, CURRENT))
    assert len(cases) * len(GROUPS) == 192
    for ready, unacknowledged, rate, current in cases:
        load = Load(ready=ready, unacknowledged=unacknowledged, rate=float(rate))
        expected = documented(spec, ready, unacknowledged, rate, current)
        assert wanted(load, scale, current) == expected, (load, current)


def test_a_tolerance_is_met_among_them() -> None:
    """Some of the loads lie within a tenth of what the workers there are meant for, on either side."""
    spec = scaled_object_spec(POOL, "vhost", CONCURRENCY)
    assert documented(spec, 12, 0, Fraction(0), 5) == 6
    for ready, current in ((11, 6), (13, 6), (19, 10), (21, 10), (22, 10)):
        assert documented(spec, ready, 0, Fraction(0), current) == current
        assert wanted(Load(ready=ready, unacknowledged=0), scale_of(POOL, CONCURRENCY), current) == current
    assert documented(spec, 23, 0, Fraction(0), 10) == 12
