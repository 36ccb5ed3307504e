"""The closed loop: events -> RabbitMQ -> KEDA -> pods -> real workers -> drained -> nothing, with one effect each."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from millrace import names as at_broker
from millrace.derived import timing
from millrace.publishing import Publisher
from millrace.scaling import Load, scale_of, wanted
from sqlalchemy import select

from infra import offline_engine
from tests.cluster.control_plane import ControlPlane
from tests.integration.kubernetes.gated.catalog import CATALOG, GROUP, ParcelSent
from tests.integration.kubernetes.node import RealNode, real_node
from tests.integration.kubernetes.stack import KubernetesStack
from tests.integration.workers.sample_handlers import effects
from tests.integration.workers.stack import prepare_store, until
from tests.postgres_server import fresh_database
from tests.real_servers import Broker
from workers.database import connect, reading

CATALOG_NAME = "tests.integration.kubernetes.gated.catalog:CATALOG"
HANDLERS = "tests.integration.kubernetes.gated.handlers"
PARCELS = 8
#: What the stack's settings give a worker.
CONCURRENCY = 2
#: The broker's statistics, KEDA's polling, and the start of a worker on a busy machine.
WAKING_SECONDS = 90.0


@dataclass(frozen=True)
class Loop:
    """All of it, running."""

    stack: KubernetesStack
    node: RealNode
    gate: Path

    def publish(self, *order_ids: str) -> None:
        """Publish a parcel each, as the service web."""
        outputs = offline_engine.outputs(self.stack.name, self.stack.state_dir)
        user = at_broker.service_user(outputs["vhost"], "web")
        url = self.stack.broker.amqp_url(outputs["vhost"], user, outputs["users"][user])
        with Publisher(url, source="/web", catalog=CATALOG) as publisher:
            for order_id in order_ids:
                publisher.publish(ParcelSent(order_id=order_id), id=order_id)

    def replicas(self) -> int:
        """How many pods the control plane wants for the group now."""
        found = {one["metadata"]["name"]: one for one in self.stack.items("deployments")}
        return int(found["worker-depot"]["spec"]["replicas"])

    def workers(self) -> list[str]:
        """The group's pods that are there, ending ones too."""
        pods = (one["metadata"]["name"] for one in self.stack.items("pods"))
        return [name for name in pods if name.startswith("worker-depot")]

    def queue(self) -> dict[str, int]:
        """What the broker counts for the group's queue."""
        with self.stack.broker.management() as client:
            path = f"/api/queues/{at_broker.vhost(self.stack.name)}/{at_broker.group_queue('depot')}"
            found = client.get(path).raise_for_status().json()
        again = found.get("message_stats", {}).get("redeliver", 0)
        in_hand = found.get("messages_unacknowledged", 0)  # nothing is said of a queue in its first second
        return {"ready": found.get("messages_ready", 0), "unacknowledged": in_hand, "redelivered": again}

    def effects(self) -> Counter[str]:
        """How many effects each parcel had."""
        engine = connect(self.stack.database_url)
        try:
            with reading(engine) as connection:
                return Counter(row.order_id for row in connection.execute(select(effects.c.order_id)))
        finally:
            engine.dispose()


@contextmanager
def _running(plane: ControlPlane, broker: Broker, url: str, directory: Path) -> Iterator[Loop]:
    prepare_store(url)
    stack = KubernetesStack(
        name=f"k{uuid.uuid4().hex[:8]}",
        plane=plane,
        broker=broker,
        state_dir=directory / "state",
        catalog=CATALOG,
        database_url=url,
    )
    gate = directory / "gate"
    image = {"MILLRACE_CATALOG": CATALOG_NAME, "MILLRACE_HANDLERS": HANDLERS, "TEST_GATE": str(gate)}
    with real_node(plane, directory / "node", image) as node:
        try:
            stack.up()  # it waits for the migration, which is a pod too
            yield Loop(stack, node, gate)
        finally:
            stack.destroy(delete_messages=True)


@pytest.fixture
def loop(plane: ControlPlane, broker: Broker, postgres_url: str, tmp_path: Path) -> Iterator[Loop]:
    """A stack whose pods are real processes."""
    with fresh_database(postgres_url) as url, _running(plane, broker, url, tmp_path) as one:
        yield one


@pytest.mark.timeout(600)
def test_from_nothing_to_what_the_formula_says_and_back_to_nothing(loop: Loop) -> None:
    until(lambda: loop.replicas() == 0, what="no worker while there is nothing to do")
    until(lambda: loop.workers() == [], seconds=timing(GROUP).grace, what="no pod left of the start")
    load = Load(ready=PARCELS, unacknowledged=0)
    expected = wanted(load, scale_of(GROUP, CONCURRENCY), 0)
    assert expected == 4
    parcels = [f"parcel-{number}" for number in range(PARCELS)]
    loop.publish(*parcels)
    until(
        lambda: loop.queue()["unacknowledged"] == PARCELS,
        seconds=WAKING_SECONDS,
        what="every parcel in a worker's hands",
    )
    assert loop.replicas() == len(loop.workers()) == expected
    busy = loop.workers()[0]
    # Who scales in chooses any pod: one that is at work finishes it.
    loop.stack.plane.kubectl("delete", "pod", busy, "--namespace", loop.stack.namespace, "--wait=false")
    loop.gate.touch()
    until(lambda: len(loop.effects()) == PARCELS, what="an effect of every parcel")
    until(lambda: loop.node.ended(busy), what="the end of the pod that was at work")
    until(lambda: loop.replicas() == 0, seconds=timing(GROUP).cool_down + WAKING_SECONDS, what="no worker any more")
    until(lambda: loop.workers() == [], seconds=timing(GROUP).grace, what="the end of every worker")
    assert set(loop.effects().values()) == {1}
    assert loop.queue() == {"ready": 0, "unacknowledged": 0, "redelivered": 0}
    # One that is ended while Python still starts has taken nothing, and dies of the signal.
    ended = [one for one in loop.node.ended("worker-depot") if one["was_ready"]]
    assert {(one["code"], one["told"], one["killed"]) for one in ended} == {(0, True, False)}
    assert max(one["took"] for one in ended) < timing(GROUP).grace
    assert len(ended) >= expected
