"""Bad messages among good ones, in a group with a lane: the good ones run in batches, the bad ones are dead letters."""

from collections.abc import Iterator

import pytest
from millrace import names, seal
from sqlalchemy import func, select

from tests.integration.workers.lane.short_catalog import CATALOG
from tests.integration.workers.sample_catalog import OrderPlaced
from tests.integration.workers.shapes import NATIVE, PLAIN
from tests.integration.workers.stack import Stack, prepare_store, until
from tests.integration.workers.test_guard import put
from tests.real_servers import Broker
from workers.tables import inbox

EACH = 5


@pytest.fixture(scope="module")
def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on SQLite with a worker and a keeper."""
    directory = tmp_path_factory.mktemp("stack")
    short = "tests.integration.workers.lane.short_catalog:CATALOG"
    stack = Stack(broker, f"sqlite:///{directory / 'millrace.db'}", directory, "garbage", catalog_name=short)
    prepare_store(stack.database_url)
    stack.up(CATALOG)
    try:
        yield stack
    finally:
        stack.stop()
        stack.destroy()


def test_good_ones_run_in_batches_beside_it(stack: Stack) -> None:
    """Every bad message with a few good ones behind it, before the worker starts: they come in the same batches."""
    with stack.broker.management() as client:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        client.put(f"/api/permissions/{stack.vhost}/{stack.broker.admin_user}", json=everything).raise_for_status()
    with stack.publisher() as publisher:
        for number, shape in enumerate([*NATIVE, *PLAIN]):
            if shape in NATIVE:
                user = f"{stack.vhost}.service.office"
                put(stack.url("service.office"), shape, names.GROUPS, names.group_key("ledger"), user_id=user)
            else:
                put(stack.broker.amqp_url(stack.vhost), shape, "", names.group_queue("ledger"))
            ids = [f"good-{number}-{each}" for each in range(EACH)]
            publisher.publish_many([seal(OrderPlaced(order_id=id_), source="/web", id=id_) for id_ in ids])
    stack.start_worker("ledger")
    stack.start_keeper()
    bad = len(NATIVE) + len(PLAIN)
    until(lambda: stack.count("ledger") == (EACH * bad, EACH * bad), seconds=60, what="the good events' effects")
    until(lambda: len(stack.letters()) == bad, what="a letter for each bad message")
    until(lambda: stack.messages("ledger") == 0, what="an empty queue")
    lane = f"ledger:{stack.processes['ledger'].pid}@%"
    own = select(func.count()).select_from(inbox).where(inbox.c.owner.like(lane))
    assert stack.rows(own)[0][0] == EACH * bad
    assert "given back" not in stack.log("ledger")
