"""KEDA and the HPA come to what the formula says, each group by what a real RabbitMQ tells of its queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

import amqp
import pytest
from millrace import names as at_broker
from millrace.declarations import Catalog, WorkerGroup
from millrace.publishing.connection import broker_options
from millrace.scaling import Load, Scale, scale_of, wanted

from tests.integration.kubernetes.gated.catalog import CATALOG, GROUP
from tests.integration.kubernetes.stack import KubernetesStack
from tests.integration.workers.stack import until

CONCURRENCY = 2
#: What waits and what workers have in hand; a worker has two, and there are six at most.
LOADS = {
    "idle": Load(ready=0, unacknowledged=0),
    "one": Load(ready=1, unacknowledged=0),
    "just-full": Load(ready=2, unacknowledged=0),
    "more": Load(ready=3, unacknowledged=0),
    "in-hand": Load(ready=0, unacknowledged=5),
    "both": Load(ready=4, unacknowledged=4),
    "uneven": Load(ready=7, unacknowledged=2),
    "flood": Load(ready=30, unacknowledged=0),
}
#: The broker's statistics, KEDA's polling of 15 s, and two of the HPA's periods, on a busy machine.
SETTLING_SECONDS = 150.0


def named(name: str) -> WorkerGroup:
    """The gated group by another name, where arrivals never decide."""
    return replace(GROUP, name=name, usual_runtime=GROUP.longest_runtime / 400)


GROUPS = {name: named(name) for name in LOADS}
EIGHT = Catalog(events=CATALOG.events, groups=[*GROUPS.values()], services=CATALOG.services)


def settled(load: Load, scale: Scale) -> int:
    """Where the formula stays, if a group is woken by one worker as KEDA does it."""
    current = min(1, wanted(load, scale, 0))
    while (following := wanted(load, scale, current)) != current:
        current = following
    return current


@pytest.fixture
def loaded(stack: KubernetesStack) -> Iterator[KubernetesStack]:
    """A stack of eight groups whose queues hold these; pods are played, so nobody takes anything."""
    eight = replace(stack, catalog=EIGHT)
    eight.up()
    url = eight.broker.amqp_url(at_broker.vhost(eight.name))
    with closing(amqp.Connection(**broker_options(url))) as connection:
        connection.connect()
        channel = connection.channel()
        for name, load in LOADS.items():
            queue = at_broker.group_queue(name)
            for _ in range(load.ready + load.unacknowledged):
                channel.basic_publish(amqp.Message("{}", delivery_mode=2), routing_key=queue)
            taken = [until(lambda: channel.basic_get(queue), what="a message") for _ in range(load.unacknowledged)]  # noqa: B023
            assert len(taken) == load.unacknowledged
        yield eight


@pytest.mark.timeout(400)
def test_eight_loads_come_to_what_the_formula_says(loaded: KubernetesStack) -> None:
    expected = {name: settled(load, scale_of(GROUPS[name], CONCURRENCY)) for name, load in LOADS.items()}
    assert [*expected.values()] == [0, 1, 1, 2, 3, 4, 5, 6]
    seen: dict[str, int] = {}

    def agreed() -> Mapping[str, int] | None:
        found = {one["metadata"]["name"]: one["spec"]["replicas"] for one in loaded.items("deployments")}
        seen.update({name: found[f"worker-{name}"] for name in LOADS})
        return seen if seen == expected else None

    try:
        until(agreed, seconds=SETTLING_SECONDS, what="what the formula says")
    except AssertionError:
        assert seen == expected  # shows which
    ready = {name: loaded.replicas(name) for name in LOADS}
    until(lambda: {name: loaded.replicas(name) for name in LOADS} == expected, what=f"ready pods, got at first {ready}")
