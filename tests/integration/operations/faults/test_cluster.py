"""Three real nodes: a cut that leaves no majority, under load, judged by the oracle."""

import pytest

from operations.faults.cluster import SIZE
from operations.faults.cluster_faults import steps
from operations.faults.cluster_world import running_cluster
from operations.faults.sample import CATALOG, SETTINGS
from operations.local.rabbitmq_install import find_server
from tests.real_servers import missing

EVENTS = 100


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_by_a_cluster_without_a_majority() -> None:
    """All three nodes stop to serve, twice; every event has its effects once afterwards."""
    if find_server() is None:
        missing("RabbitMQ", "install rabbitmq-server")
    with running_cluster(CATALOG, lambda _text: None, settings=SETTINGS, database="sqlite") as world:
        queues = world.cluster.ask("/api/queues", columns="name,members")
        assert {len(queue["members"]) for queue in queues if "members" in queue} == {SIZE}
        ((_name, run),) = steps(events=EVENTS, seed=1, only=["two of three nodes"])
        line = run(world)
    assert line.good, (line.outcome.verdict.counts(), line.outcome.injections)
    assert line.outcome.injections == 2
